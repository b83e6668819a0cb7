/** Receipts: the ledger's payments as their tenant sees them. Read only. */
import * as z from "zod";
import type { ReceiptQuery } from "../../src/contracts/ledger.ts";
import {
  type Receipt,
  type ReceiptList,
  paymentStateSchema,
} from "../../src/contracts/tenant-api.ts";
import type { Refunds } from "./outgoing/refunds.ts";

const receiptRowSchema = z.object({
  payment_id: z.string(),
  state: paymentStateSchema,
  method: z.string(),
  url: z.string(),
  route_path: z.string(),
  payer: z.string(),
  payee: z.string(),
  network: z.string(),
  asset: z.string(),
  amount_atomic: z.string(),
  maximum_atomic: z.string().nullable(),
  fee_atomic: z.string(),
  transaction_hash: z.string().nullable(),
  claimed_at_ms: z.number(),
  settled_at_ms: z.number().nullable(),
  confirmed_at_ms: z.number().nullable(),
});

const SELECT_RECEIPT = `
SELECT payment_id, shown_state AS state, method, url, route_path, payer, payee, network, asset, amount_atomic,
  maximum_atomic, fee_atomic, transaction_hash, claimed_at_ms, settled_at_ms, confirmed_at_ms
FROM payments WHERE direction = 'incoming'`;

export class Receipts {
  readonly #sql: SqlStorage;
  readonly #refunds: Refunds;

  constructor(sql: SqlStorage, refunds: Refunds) {
    this.#sql = sql;
    this.#refunds = refunds;
  }

  read(paymentId: string): Receipt | null {
    const row = this.#sql.exec(`${SELECT_RECEIPT} AND payment_id = ?`, paymentId).toArray()[0];
    return row === undefined ? null : this.#receipt(row);
  }

  /** Newest first. The cursor is the last payment id of the page before. */
  list(query: ReceiptQuery): ReceiptList {
    const filters: [condition: string, value: string | number | null][] = [
      ["claimed_at_ms >= ?", query.fromMs],
      ["claimed_at_ms < ?", query.toMs],
      ["route_path = ?", query.route],
      ["payer = ?", query.payer],
      ["shown_state = ?", query.state],
      ["payment_id < ?", query.cursor],
    ];
    const used = filters.filter(([, value]) => value !== null);
    const where = used.map(([condition]) => ` AND ${condition}`).join("");
    const rows = this.#sql
      .exec(
        `${SELECT_RECEIPT}${where} ORDER BY payment_id DESC LIMIT ?`,
        ...used.map(([, value]) => value),
        query.limit + 1,
      )
      .toArray();
    const receipts = rows.slice(0, query.limit).map((row) => this.#receipt(row));
    const last = receipts.at(-1);
    return {
      receipts,
      nextCursor: rows.length > query.limit && last !== undefined ? last.paymentId : null,
    };
  }

  #receipt(row: Record<string, SqlStorageValue>): Receipt {
    const receipt = toReceipt(row);
    // Nothing else is ever refunded.
    const isOwed = receipt.state === "paid_undelivered";
    return { ...receipt, refund: isOwed ? this.#refunds.latestOf(receipt.paymentId) : null };
  }
}

function toReceipt(raw: Record<string, SqlStorageValue>): Omit<Receipt, "refund"> {
  const row = receiptRowSchema.parse(raw);
  return {
    paymentId: row.payment_id,
    state: row.state,
    method: row.method,
    url: row.url,
    route: row.route_path,
    payer: row.payer,
    payTo: row.payee,
    network: row.network,
    asset: row.asset,
    amountAtomic: row.amount_atomic,
    ...(row.maximum_atomic === null ? {} : { maximumAtomic: row.maximum_atomic }),
    feeAtomic: row.fee_atomic,
    netAtomic: String(BigInt(row.amount_atomic) - BigInt(row.fee_atomic)),
    transaction: row.transaction_hash,
    claimedAtMs: row.claimed_at_ms,
    settledAtMs: row.settled_at_ms,
    confirmedAtMs: row.confirmed_at_ms,
  };
}
