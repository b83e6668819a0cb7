/** What tenants' code moved through one isolate, on its way to their ledgers: in bundles, through D1 where there is one. */
import type { EgressUse } from "../../contracts/ledger.ts";
import { type TenantUse, addEgressUses } from "../../tenant/directory/egress-uses.ts";
import { parseTenantId, type TenantId } from "../../tenant/tenant-id.ts";
import type { DenialSink } from "./denials.ts";

/** One write to D1 for what an isolate let pass in this time. */
const WRITE_AFTER_MS = 1_000;

/** Tenants whose use waits to be written or taken; where nobody takes it, counting ends here. */
const TENANTS_MAX = 1_000;

export class UseLog {
  readonly #uses = new Map<TenantId, EgressUse>();
  #isWriting = false;

  add(name: string, { egressBytes = 0, subrequests = 0 }: Partial<EgressUse>, sink: DenialSink) {
    const tenantId = parseTenantId(name);
    if (tenantId === null) return;
    const known = this.#uses.get(tenantId);
    if (known === undefined && this.#uses.size >= TENANTS_MAX) return;
    this.#uses.set(tenantId, {
      egressBytes: (known?.egressBytes ?? 0) + egressBytes,
      subrequests: (known?.subrequests ?? 0) + subrequests,
    });
    if (sink.db === undefined || this.#isWriting) return;
    this.#isWriting = true;
    sink.waitUntil(this.#writeLater(sink.db));
  }

  /** What was counted since the last time, for somebody else to send on. */
  take(): TenantUse[] {
    const uses = [...this.#uses].map(([tenantId, use]) => ({ tenantId, ...use }));
    this.#uses.clear();
    return uses;
  }

  async #writeLater(db: D1Database): Promise<void> {
    await scheduler.wait(WRITE_AFTER_MS);
    this.#isWriting = false;
    await addEgressUses(db, this.take());
  }
}
