/** Bodies of the operators' view of facilitators (`/admin/facilitators`). Times are milliseconds since the epoch. */
import * as z from "zod";
import type { FacilitatorView, HealthView } from "../facilitator/health-messages.ts";

export interface AdminFacilitatorList extends HealthView {
  /** What operators decided, newest first. */
  readonly audit: readonly FacilitatorAuditEntry[];
}

export interface FacilitatorAuditEntry {
  readonly auditId: number;
  readonly atMs: number;
  /** Id of the facilitator. */
  readonly subject: string;
  /** For example `facilitator.open`. */
  readonly action: string;
  readonly detail: Readonly<Record<string, string | number | null>>;
}

/** `open` keeps everybody away, `close` sends calls whatever the breaker finds, `auto` gives it back to itself. */
export const facilitatorActionSchema = z.enum(["open", "close", "auto"]);

export const forceFacilitatorRequestSchema = z.strictObject({
  /** A sentence for whoever reads the audit log. */
  reason: z.string().trim().min(3).max(200),
});

/** The facilitator as it stands now. Edges that have a copy of the state follow within about a second. */
export interface ForceFacilitatorResponse {
  readonly facilitator: FacilitatorView;
}
