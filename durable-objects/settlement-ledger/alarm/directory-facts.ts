/** What the ledger asks the directory about its tenant, in the alarm. */
import { readTenant } from "../../../src/tenant/directory/tenants.ts";
import type { TenantId } from "../../../src/tenant/tenant-id.ts";

/**
 * When a tenant, and with it its deposit account, came to be; milliseconds since the epoch.
 * @returns null when the directory does not know it or can't be read now
 */
export async function openedAtMs(db: D1Database, tenantId: TenantId): Promise<number | null> {
  try {
    return (await readTenant(db, tenantId))?.createdAtMs ?? null;
  } catch {
    return null;
  }
}

/** Whether a tenant's payments arrive in a wallet of its own; null when the directory can't be read now. */
export async function isDirect(db: D1Database, tenantId: TenantId): Promise<boolean | null> {
  try {
    return (await readTenant(db, tenantId))?.collection === "direct";
  } catch {
    return null;
  }
}
