/** The journal as rows: appended with every posting, and summed into balances in the same transaction. */
import {
  ACCOUNTS,
  type Account,
  type JournalEntry,
  type Posting,
} from "../../../src/settlement/journal.ts";
import type { JournalStore } from "./store.ts";

export class JournalRows implements JournalStore {
  readonly #sql: SqlStorage;
  /** What `balances` has, per asset; a transaction that is undone forgets it. */
  readonly #known = new Map<string, ReadonlyMap<Account, bigint>>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  append(posting: Posting, nowMs: number): void {
    const { asset, entries, kind, sourceId } = posting;
    this.#sql.exec(
      `INSERT INTO journal (source_id, posting, account, kind, asset, amount_atomic, at_ms)
       SELECT ?1, (SELECT COALESCE(MAX(posting), 0) + 1 FROM journal WHERE source_id = ?1),
         value ->> 0, ?2, ?3, value ->> 1, ?4 FROM json_each(?5)`,
      sourceId,
      kind,
      asset,
      nowMs,
      asJson(entries),
    );
    const balances = this.#balances(asset);
    const moved = entries.map(({ account, amountAtomic }) => ({
      account,
      amountAtomic: (balances.get(account) ?? 0n) + amountAtomic,
    }));
    this.#sql.exec(
      `INSERT INTO balances (asset, account, amount_atomic)
       SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
       ON CONFLICT (asset, account) DO UPDATE SET amount_atomic = excluded.amount_atomic`,
      asset,
      asJson(moved),
    );
    const after = new Map(balances);
    for (const { account, amountAtomic } of moved) after.set(account, amountAtomic);
    this.#known.set(asset, after);
  }

  /** Forgets what memory holds: the rows may be others. */
  forget(): void {
    this.#known.clear();
  }

  balance(asset: string, account: Account): bigint {
    return this.#balances(asset).get(account) ?? 0n;
  }

  #balances(asset: string): ReadonlyMap<Account, bigint> {
    const known = this.#known.get(asset);
    if (known !== undefined) return known;
    const balances = new Map(
      this.#sql
        .exec<{ account: Account; amount_atomic: string }>(
          "SELECT account, amount_atomic FROM balances WHERE asset = ?",
          asset,
        )
        .toArray()
        .map((row) => [row.account, BigInt(row.amount_atomic)]),
    );
    this.#known.set(asset, balances);
    return balances;
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

/** One statement for all entries: `[["deposit","10000"], ...]`, for `json_each`. */
function asJson(entries: readonly JournalEntry[]): string {
  return JSON.stringify(
    entries.map(({ account, amountAtomic }) => [account, String(amountAtomic)]),
  );
}
