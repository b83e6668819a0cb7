/** The last comparison of the books with the chain, per asset, and when the next one is due. */
import * as z from "zod";
import {
  type Reconciliation,
  reconciliationSchema,
} from "../../../src/contracts/admin-payments.ts";
import type { OpenAmount } from "../../../src/settlement/reconciliation.ts";
import { PAYMENT_STATES } from "../../../src/settlement/payment.ts";

/** The account that receives an asset, as the payments name it. */
export interface DepositAccount {
  readonly network: string;
  readonly address: string;
}

const openRowSchema = z.object({
  direction: z.enum(["incoming", "outgoing"]),
  state: z.enum(PAYMENT_STATES),
  amount_atomic: z.string(),
});

/** Due ones, parked ones and those that wait for their confirmation: each by an index of its own. */
const OPEN_PAYMENT_IDS = `
SELECT payment_id FROM payments WHERE due_at_ms > 0
UNION ALL SELECT payment_id FROM payments
  WHERE state IN ('staged', 'unknown', 'failed', 'expired') AND state = 'unknown'
UNION ALL SELECT payment_id FROM payments WHERE state = 'settled'`;

export class ReconciliationRows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  list(): Reconciliation[] {
    return this.#sql
      .exec(
        `SELECT asset, network, account, outcome, checked_at_ms AS checkedAtMs,
           deposit_atomic AS depositAtomic, low_atomic AS lowAtomic, high_atomic AS highAtomic,
           chain_atomic AS chainAtomic, difference_atomic AS differenceAtomic,
           due_at_ms AS nextCheckAtMs, scanned_block AS scannedBlock
         FROM reconciliations ORDER BY asset`,
      )
      .toArray()
      .map((row) => reconciliationSchema.parse(row));
  }

  /** Of the last comparison; nulls when there was none. */
  last(asset: string): {
    readonly differenceAtomic: bigint | null;
    readonly alertedAtomic: bigint | null;
  } {
    const row = this.#sql
      .exec<{ difference_atomic: string | null; alerted_atomic: string | null }>(
        "SELECT difference_atomic, alerted_atomic FROM reconciliations WHERE asset = ?",
        asset,
      )
      .toArray()[0];
    return {
      differenceAtomic: toAmount(row?.difference_atomic ?? null),
      alertedAtomic: toAmount(row?.alerted_atomic ?? null),
    };
  }

  due(nowMs: number): string[] {
    return this.#sql
      .exec<{ asset: string }>("SELECT asset FROM reconciliations WHERE due_at_ms <= ?", nowMs)
      .toArray()
      .map(({ asset }) => asset);
  }

  nextDueAtMs(): number | null {
    return this.#sql
      .exec<{ at_ms: number | null }>("SELECT MIN(due_at_ms) AS at_ms FROM reconciliations")
      .one().at_ms;
  }

  /** Makes sure that an asset is compared then or before. */
  schedule(asset: string, atMs: number): void {
    this.#sql.exec(
      `INSERT INTO reconciliations (asset, due_at_ms) VALUES (?, ?)
       ON CONFLICT (asset) DO UPDATE SET due_at_ms = excluded.due_at_ms
       WHERE due_at_ms IS NULL OR due_at_ms > excluded.due_at_ms`,
      asset,
      atMs,
    );
  }

  /** Up to where transfers to the deposit account were searched; null when they never were. */
  scannedBlock(asset: string): bigint | null {
    const row = this.#sql
      .exec<{ scanned_block: string | null }>(
        "SELECT scanned_block FROM reconciliations WHERE asset = ?",
        asset,
      )
      .toArray()[0];
    return toAmount(row?.scanned_block ?? null);
  }

  saveScannedBlock(asset: string, block: bigint): void {
    this.#sql.exec(
      "UPDATE reconciliations SET scanned_block = ? WHERE asset = ?",
      String(block),
      asset,
    );
  }

  /** Payers and amounts of open payments of which no transfer is known: what may be on the chain already. */
  awaited(
    asset: string,
    limit: number,
  ): { readonly payer: string; readonly amountAtomic: bigint }[] {
    return this.#sql
      .exec<{ payer: string; amount_atomic: string }>(
        `SELECT payer, amount_atomic FROM payments p
         WHERE payment_id IN (${OPEN_PAYMENT_IDS}) AND asset = ? AND direction = 'incoming'
           AND due_at_ms IS NOT NULL AND state <> 'confirmed'
           AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.payment_id = p.payment_id) LIMIT ?`,
        asset,
        limit,
      )
      .toArray()
      .map((row) => ({ payer: row.payer, amountAtomic: BigInt(row.amount_atomic) }));
  }

  /** All assets in the books. */
  assets(): string[] {
    return this.#sql
      .exec<{ asset: string }>("SELECT asset FROM balances WHERE account = 'deposit'")
      .toArray()
      .map(({ asset }) => asset);
  }

  /** Assets that moved in the books since they were last compared. */
  moved(): string[] {
    return this.#sql
      .exec<{ asset: string }>(
        `SELECT b.asset FROM balances b LEFT JOIN reconciliations r ON r.asset = b.asset
         WHERE b.account = 'deposit' AND b.amount_atomic IS NOT r.deposit_atomic`,
      )
      .toArray()
      .map(({ asset }) => asset);
  }

  /** Null while no payment in this asset has arrived. */
  depositAccount(asset: string): DepositAccount | null {
    return (
      this.#sql
        .exec<{ network: string; address: string }>(
          `SELECT network, payee AS address FROM payments
           WHERE asset = ? AND direction = 'incoming' ORDER BY payment_id DESC LIMIT 1`,
          asset,
        )
        .toArray()[0] ?? null
    );
  }

  /** Payments of which the journal and the chain may not agree yet; more than `limit` are cut off. */
  open(asset: string, limit: number): OpenAmount[] {
    return this.#sql
      .exec(
        `SELECT direction, state, amount_atomic FROM payments
         WHERE payment_id IN (${OPEN_PAYMENT_IDS}) AND asset = ? AND state <> 'confirmed' LIMIT ?`,
        asset,
        limit,
      )
      .toArray()
      .map((raw) => {
        const row = openRowSchema.parse(raw);
        return {
          direction: row.direction,
          state: row.state,
          amountAtomic: BigInt(row.amount_atomic),
        };
      });
  }

  /** The comparison could not be made; what operators were told before still stands. */
  saveUnavailable(asset: string, nowMs: number, retryAtMs: number | null): void {
    this.#sql.exec(
      `UPDATE reconciliations SET due_at_ms = ?, outcome = 'unavailable', checked_at_ms = ?,
         low_atomic = NULL, high_atomic = NULL, chain_atomic = NULL, difference_atomic = NULL,
         deposit_atomic = (SELECT amount_atomic FROM balances b
           WHERE b.asset = reconciliations.asset AND b.account = 'deposit')
       WHERE asset = ?`,
      retryAtMs,
      nowMs,
      asset,
    );
  }

  save(result: Omit<Reconciliation, "scannedBlock">, alertedAtomic: bigint | null): void {
    this.#sql.exec(
      `UPDATE reconciliations SET due_at_ms = ?, network = ?, account = ?, outcome = ?,
         checked_at_ms = ?, deposit_atomic = ?, low_atomic = ?, high_atomic = ?, chain_atomic = ?,
         difference_atomic = ?, alerted_atomic = ?
       WHERE asset = ?`,
      result.nextCheckAtMs,
      result.network,
      result.account,
      result.outcome,
      result.checkedAtMs,
      result.depositAtomic,
      result.lowAtomic,
      result.highAtomic,
      result.chainAtomic,
      result.differenceAtomic,
      alertedAtomic === null ? null : String(alertedAtomic),
      result.asset,
    );
  }
}

function toAmount(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}
