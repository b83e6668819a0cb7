/** What was refused: a line in the log, and a count per tenant, day and reason, which goes to D1 in bundles. */
import * as z from "zod";
import { countDenials } from "../../tenant/directory/egress-denials.ts";
import type { EgressDenial } from "./policy.ts";

export type EgressRefusal =
  | EgressDenial
  | "upgrade_not_allowed"
  | "subrequests_exceeded"
  | "bytes_exceeded";

export interface DeniedRequest {
  readonly tenantId: string;
  readonly reason: EgressRefusal;
  /** Where it wanted to go; null when that could not be read. Neither path nor query, which may hold secrets. */
  readonly host: string | null;
  readonly atMs: number;
}

export const denialCountSchema = z.object({
  tenantId: z.string(),
  /** UTC, ISO 8601. */
  day: z.string(),
  reason: z.string(),
  count: z.number().int().positive(),
});
export type DenialCount = z.infer<typeof denialCountSchema>;

/** A tenant in a loop must not fill the log: beyond these, in a minute, its denials are only counted. */
const LINES_MAX = 20;
const LINES_MS = 60_000;

/** One write to D1 for what an isolate denied in this time. */
const WRITE_AFTER_MS = 1_000;

/** Tenants, days and reasons that wait to be written or taken; where nobody takes them, counting ends here. */
const COUNTS_MAX = 1_000;

/** The platform's end of it: D1 where there is one, and a way to outlive the request. */
export interface DenialSink {
  /** Without it, counts wait for `take`. */
  readonly db: D1Database | undefined;
  waitUntil(work: Promise<unknown>): void;
}

export class DenialLog {
  readonly #counts = new Map<string, DenialCount>();
  #lines = new Map<string, number>();
  #linesSinceMs = 0;
  #isWriting = false;

  add(denied: DeniedRequest, sink: DenialSink): void {
    this.#writeLine(denied);
    const { tenantId, reason, atMs } = denied;
    const day = new Date(atMs).toISOString().slice(0, 10);
    const key = JSON.stringify([tenantId, day, reason]);
    const known = this.#counts.get(key);
    if (known === undefined && this.#counts.size >= COUNTS_MAX) return;
    this.#counts.set(key, { tenantId, day, reason, count: (known?.count ?? 0) + 1 });
    if (sink.db === undefined || this.#isWriting) return;
    this.#isWriting = true;
    sink.waitUntil(this.#writeLater(sink.db));
  }

  /** What was counted since the last time, for somebody else to write. */
  take(): DenialCount[] {
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }

  async #writeLater(db: D1Database): Promise<void> {
    await scheduler.wait(WRITE_AFTER_MS);
    this.#isWriting = false;
    await countDenials(db, this.take());
  }

  #writeLine({ tenantId, reason, host, atMs }: DeniedRequest): void {
    if (atMs - this.#linesSinceMs >= LINES_MS) {
      this.#lines = new Map();
      this.#linesSinceMs = atMs;
    }
    const lines = this.#lines.get(tenantId) ?? 0;
    this.#lines.set(tenantId, lines + 1);
    if (lines >= LINES_MAX) return;
    console.warn(JSON.stringify({ event: "egress_denied", tenantId, reason, host }));
  }
}
