/**
 * Snapshots of versions that are not the one on sale, as far as this edge knows: what their quotes still promise. Read
 * from D1, where every deployment stays, and only for quotes that the platform signed: the minutes around a change.
 */
import type { TenantSnapshot } from "../contracts/snapshot.ts";
import { readDeployedSnapshot } from "./directory/deployments.ts";
import type { TenantId } from "./tenant-id.ts";

/** Routes never change; plan, limits and secrets may, and reach an edge about as late as by KV. */
const FRESH_MS = 60_000;

/** A snapshot may take a few megabytes of the isolate's 128; what is quoted and not on sale is rarely more than one. */
const ENTRIES_MAX = 8;

interface Remembered {
  readonly snapshot: TenantSnapshot | null;
  readonly readAtMs: number;
}

/** Oldest entry first. */
const cache = new Map<string, Remembered>();

/** null when the tenant is gone or never had this version. @throws when D1 fails */
export async function readVersion(
  env: { readonly DB: D1Database },
  tenantId: TenantId,
  version: number,
  nowMs: number,
): Promise<TenantSnapshot | null> {
  // Tenant ids have no slash.
  const key = `${tenantId}/${version}`;
  const known = cache.get(key);
  if (known !== undefined && nowMs - known.readAtMs < FRESH_MS) return known.snapshot;
  const snapshot = await readDeployedSnapshot(env.DB, tenantId, version);
  cache.delete(key);
  cache.set(key, { snapshot, readAtMs: nowMs });
  const [oldest] = cache.keys();
  if (cache.size > ENTRIES_MAX && oldest !== undefined) cache.delete(oldest);
  return snapshot;
}
