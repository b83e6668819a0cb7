/** Challenges that wallets sign, in D1: each is good for one tenant, one wallet, once and for a while. */
import * as z from "zod";
import type { WalletChallenge } from "../wallet-proof.ts";
import { tenantIdSchema } from "../tenant-id.ts";

const challengeRowSchema = z
  .object({
    nonce: z.string(),
    tenant_id: tenantIdSchema,
    wallet: z.string(),
    issued_at_ms: z.number().int(),
    expires_at_ms: z.number().int(),
  })
  .transform((row): WalletChallenge => ({
    nonce: row.nonce,
    tenantId: row.tenant_id,
    wallet: row.wallet,
    issuedAtMs: row.issued_at_ms,
    expiresAtMs: row.expires_at_ms,
  }));

/** Keeps it, and forgets those that have expired. */
export async function insertChallenge(db: D1Database, challenge: WalletChallenge): Promise<void> {
  const { nonce, tenantId, wallet, issuedAtMs, expiresAtMs } = challenge;
  await db.batch([
    db.prepare("DELETE FROM wallet_challenges WHERE expires_at_ms <= ?").bind(issuedAtMs),
    db
      .prepare(
        `INSERT INTO wallet_challenges (nonce, tenant_id, wallet, issued_at_ms, expires_at_ms)
         VALUES (?, ?, ?, ?, ?)`,
      )
      .bind(nonce, tenantId, wallet, issuedAtMs, expiresAtMs),
  ]);
}

/** The challenge, as long as it is good for this tenant and wallet; null otherwise. */
export async function readChallenge(
  db: D1Database,
  { nonce, tenantId, wallet }: Pick<WalletChallenge, "nonce" | "tenantId" | "wallet">,
  nowMs: number,
): Promise<WalletChallenge | null> {
  const row = await db
    .prepare(
      `SELECT nonce, tenant_id, wallet, issued_at_ms, expires_at_ms FROM wallet_challenges
       WHERE nonce = ? AND tenant_id = ? AND wallet = ? AND expires_at_ms > ?`,
    )
    .bind(nonce, tenantId, wallet, nowMs)
    .first();
  return row === null ? null : challengeRowSchema.parse(row);
}

/** Uses it up. @returns whether it was still there: of several that take it at once, one does */
export async function takeChallenge(db: D1Database, nonce: string): Promise<boolean> {
  const taken = await db
    .prepare("DELETE FROM wallet_challenges WHERE nonce = ? RETURNING nonce")
    .bind(nonce)
    .first();
  return taken !== null;
}
