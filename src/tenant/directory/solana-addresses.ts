/** Where tenants are paid on Solana; each address belongs to whoever deployed it first. */

/** Takes an address for a tenant. False when it is another tenant's. */
export async function takeSolanaAddress(
  db: D1Database,
  tenantSerial: number,
  address: string,
  nowMs: number,
): Promise<boolean> {
  await db
    .prepare(
      `INSERT INTO solana_addresses (address, tenant_serial, first_deployed_at_ms) VALUES (?, ?, ?)
       ON CONFLICT (address) DO NOTHING`,
    )
    .bind(address, tenantSerial, nowMs)
    .run();
  const owner = await db
    .prepare("SELECT tenant_serial FROM solana_addresses WHERE address = ?")
    .bind(address)
    .first<{ tenant_serial: number }>();
  return owner?.tenant_serial === tenantSerial;
}
