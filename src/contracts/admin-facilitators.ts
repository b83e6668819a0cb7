/** Bodies of the operators' view of facilitators (`/admin/facilitators`). Times are milliseconds since the epoch. */
import * as z from "zod";
import type { CanaryView } from "../facilitator/canary.ts";
import type { FacilitatorView, HealthView } from "../facilitator/health-messages.ts";
import { REGIONS, type Region } from "../facilitator/region.ts";

export interface AdminFacilitatorList {
  /** The default region, and each other one that edges call from or that operators decided something for. */
  readonly regions: readonly RegionHealthView[];
  /** Regions whose shared health gave no answer just now. Their edges go by what they see themselves. */
  readonly unreachableRegions: readonly Region[];
  /** Payments of our own through the facilitators; null when that is off. */
  readonly canary: CanaryView | null;
  /** What operators decided, newest first. */
  readonly audit: readonly FacilitatorAuditEntry[];
}

export interface RegionHealthView extends HealthView {
  readonly region: Region;
}

export interface FacilitatorAuditEntry {
  readonly auditId: number;
  readonly atMs: number;
  /** Name of who decided it; null for what was decided before operators were named. */
  readonly operator: string | null;
  /** Id of the facilitator. */
  readonly subject: string;
  /** For example `facilitator.open`. */
  readonly action: string;
  /** `reason`, and the `region` it is about; null for all. */
  readonly detail: Readonly<Record<string, string | number | null>>;
}

/** `open` keeps everybody away, `close` sends calls whatever the breaker finds, `auto` gives it back to itself. */
export const facilitatorActionSchema = z.enum(["open", "close", "auto"]);

export const forceFacilitatorRequestSchema = z.strictObject({
  /** A sentence for whoever reads the audit log. */
  reason: z.string().trim().min(3).max(200),
  /** All of them when left out. */
  region: z.enum(REGIONS).optional(),
});

/** The facilitator as it stands now, in each region it was decided for. Edges follow within about a second. */
export interface ForceFacilitatorResponse {
  readonly regions: readonly RegionFacilitatorView[];
}

export interface RegionFacilitatorView {
  readonly region: Region;
  readonly facilitator: FacilitatorView;
}
