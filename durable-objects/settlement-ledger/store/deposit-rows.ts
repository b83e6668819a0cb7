/** Deposits that are no payment, as rows; each is posted in the transaction that writes it. */
import type { Deposit, IncomingTransfer } from "../../../src/settlement/deposit.ts";
import type { TransferEvidence } from "../../../src/settlement/evidence.ts";
import { depositPostingFor } from "../../../src/settlement/journal.ts";
import type { Payment } from "../../../src/settlement/payment.ts";
import type { DepositStore, JournalStore } from "./store.ts";

type DepositRow = {
  deposit_id: string;
  network: string;
  asset: string;
  payer: string;
  amount_atomic: string;
  transaction_hash: string;
  log_index: number;
  block_number: string;
  found_at_ms: number;
  claimed_by: string | null;
};

/** Neither claimed by a payment nor given back, or about to be. */
const UNCLAIMED = `claimed_by IS NULL AND NOT EXISTS (
  SELECT 1 FROM payments
  WHERE refund_of = deposit_id AND refund_of IS NOT NULL AND state NOT IN ('failed', 'expired')
)`;

export class DepositRows implements DepositStore {
  readonly #sql: SqlStorage;
  readonly #journal: JournalStore;

  constructor(sql: SqlStorage, journal: JournalStore) {
    this.#sql = sql;
    this.#journal = journal;
  }

  /** Books a transfer that proves no payment. */
  book(deposit: Deposit): void {
    this.#sql.exec(
      `INSERT INTO deposits (deposit_id, network, asset, payer, amount_atomic, transaction_hash,
         log_index, block_number, found_at_ms, claimed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      deposit.depositId,
      deposit.network,
      deposit.asset,
      deposit.payer,
      String(deposit.amountAtomic),
      deposit.transaction,
      deposit.logIndex,
      String(deposit.blockNumber),
      deposit.foundAtMs,
      deposit.claimedBy,
    );
    this.#journal.append(depositPostingFor("deposit_found", deposit), deposit.foundAtMs);
  }

  claim({ paymentId, authorization }: Payment, evidence: TransferEvidence, nowMs: number): void {
    const deposit = this.at(authorization.network, evidence);
    if (deposit === null || deposit.claimedBy !== null) return;
    this.#sql.exec(
      "UPDATE deposits SET claimed_by = ? WHERE deposit_id = ?",
      paymentId,
      deposit.depositId,
    );
    this.#journal.append(depositPostingFor("deposit_claimed", deposit), nowMs);
  }

  isGivenBack(network: string, { transaction, logIndex }: TransferEvidence): boolean {
    const { found } = this.#sql
      .exec<{ found: number }>(
        `SELECT EXISTS (SELECT 1 FROM deposits JOIN payments ON refund_of = deposit_id
           WHERE deposits.network = ? AND deposits.transaction_hash = ? AND log_index = ?
             AND refund_of IS NOT NULL AND state NOT IN ('failed', 'expired')) AS found`,
        network,
        transaction,
        logIndex,
      )
      .one();
    return found === 1;
  }

  byId(depositId: string): Deposit | null {
    return this.#all("deposit_id = ?", depositId)[0] ?? null;
  }

  at(
    network: string,
    { transaction, logIndex }: Pick<IncomingTransfer, "transaction" | "logIndex">,
  ): Deposit | null {
    const where = "network = ? AND transaction_hash = ? AND log_index = ?";
    return this.#all(where, network, transaction, logIndex)[0] ?? null;
  }

  /** Newest first. The cursor is the last id of the page before. */
  list(cursor: string | null, limit: number): Deposit[] {
    const where = "?1 IS NULL OR deposit_id < ?1 ORDER BY deposit_id DESC LIMIT ?2";
    return this.#all(where, cursor, limit);
  }

  /** Those that wait to be given back, newest first. */
  unclaimed(asset: string, limit: number): Deposit[] {
    const where = `asset = ?1 AND ${UNCLAIMED} ORDER BY deposit_id DESC LIMIT ?2`;
    return this.#all(where, asset, limit);
  }

  #all(where: string, ...bindings: (string | number | null)[]): Deposit[] {
    return this.#sql
      .exec<DepositRow>(`SELECT * FROM deposits WHERE ${where}`, ...bindings)
      .toArray()
      .map(toDeposit);
  }
}

function toDeposit(row: DepositRow): Deposit {
  return {
    depositId: row.deposit_id,
    network: row.network,
    asset: row.asset,
    payer: row.payer,
    amountAtomic: BigInt(row.amount_atomic),
    transaction: row.transaction_hash,
    logIndex: row.log_index,
    blockNumber: BigInt(row.block_number),
    foundAtMs: row.found_at_ms,
    claimedBy: row.claimed_by,
  };
}
