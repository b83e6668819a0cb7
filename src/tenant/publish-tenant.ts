import { readActiveSnapshot } from "./directory/deployments.ts";
import { publishSnapshot, type SnapshotStore } from "./snapshots.ts";
import type { TenantId } from "./tenant-id.ts";

/** KV takes one write per key and second: two deployments in a row, or another's collision, need a second try. */
const ATTEMPTS_MAX = 3;
const RETRY_AFTER_MS = 1_100;

/**
 * Publishes what D1 says is active. D1 and KV share no transaction, so concurrent publishers could leave the older
 * snapshot in KV: each looks again after its write, and the last one to look sees the last change.
 *
 * @throws when KV keeps refusing; D1 holds the change, and the next publish carries it
 */
export async function publishTenant(
  env: SnapshotStore & { readonly DB: D1Database },
  tenantId: TenantId,
  nowMs: number,
): Promise<void> {
  let published: string | null = null;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const snapshot = await readActiveSnapshot(env.DB, tenantId);
    if (snapshot === null) throw new Error(`nothing to publish: there is no tenant ${tenantId}`);
    if (published === JSON.stringify(snapshot)) return;
    try {
      await publishSnapshot(env, snapshot, nowMs);
      published = JSON.stringify(snapshot);
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
      await scheduler.wait(RETRY_AFTER_MS);
    }
  }
}
