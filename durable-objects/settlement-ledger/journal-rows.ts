/** The journal as rows: appended with every posting, and summed into balances in the same transaction. */
import { ACCOUNTS, type Account, type Posting } from "../../src/settlement/journal.ts";
import type { JournalStore } from "./store.ts";

export class JournalRows implements JournalStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  append(posting: Posting, nowMs: number): void {
    const { next } = this.#sql
      .exec<{ next: number }>(
        "SELECT COALESCE(MAX(posting), 0) + 1 AS next FROM journal WHERE payment_id = ?",
        posting.paymentId,
      )
      .one();
    for (const { account, amountAtomic } of posting.entries) {
      this.#sql.exec(
        `INSERT INTO journal (payment_id, posting, account, kind, asset, amount_atomic, at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        posting.paymentId,
        next,
        account,
        posting.kind,
        posting.asset,
        String(amountAtomic),
        nowMs,
      );
      this.#sql.exec(
        `INSERT INTO balances (asset, account, amount_atomic) VALUES (?, ?, ?)
         ON CONFLICT (asset, account) DO UPDATE SET amount_atomic = excluded.amount_atomic`,
        posting.asset,
        account,
        String(this.balance(posting.asset, account) + amountAtomic),
      );
    }
  }

  balance(asset: string, account: Account): bigint {
    const row = this.#sql
      .exec<{ amount_atomic: string }>(
        "SELECT amount_atomic FROM balances WHERE asset = ? AND account = ?",
        asset,
        account,
      )
      .toArray()[0];
    return BigInt(row?.amount_atomic ?? "0");
  }

  /** Sums the whole journal anew: what the cached balances must equal. Costs O(entries). */
  recompute(asset: string): Map<Account, bigint> {
    const sums = new Map<Account, bigint>(ACCOUNTS.map((account) => [account, 0n]));
    for (const row of this.#sql.exec<{ account: Account; amount_atomic: string }>(
      "SELECT account, amount_atomic FROM journal WHERE asset = ?",
      asset,
    )) {
      sums.set(row.account, (sums.get(row.account) ?? 0n) + BigInt(row.amount_atomic));
    }
    return sums;
  }
}
