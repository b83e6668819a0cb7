/** Refunds: outgoing payments to whoever paid, of what is owed to them. */
import { PAYOUT_CAP_ATOMIC } from "../../../src/chain/payout-policy.ts";
import { refundNonce } from "../../../src/chain/payout-authorization.ts";
import type {
  DepositList,
  DepositListQuery,
  DepositView,
  Refund,
  RefundReply,
} from "../../../src/contracts/refunds.ts";
import type { Deposit } from "../../../src/settlement/deposit.ts";
import { postingFor } from "../../../src/settlement/journal.ts";
import { type Payment, type RefundSource, isSettled } from "../../../src/settlement/payment.ts";
import { earlierRefund, refundRefusal } from "../../../src/settlement/refund.ts";
import { type OutgoingTransfer, outgoingPayment } from "./outgoing-payment.ts";
import type { SqlStore } from "../store/sql-store.ts";

/** Minted tokens come from here; nothing can be sent back to it. */
const ZERO_ADDRESS = `0x${"00".repeat(20)}`;

/** The log that is given back, by which the signer proves who paid. */
export interface RefundedLog {
  readonly transaction: string;
  readonly logIndex: number;
}

/** What can be given back, or why nothing can. */
type Refundable =
  | { readonly transfer: OutgoingTransfer; readonly log: RefundedLog }
  | { readonly refusal: Exclude<RefundReply["result"], "accepted" | "over_payout_cap"> };

export class Refunds {
  readonly #store: SqlStore;
  readonly #sql: SqlStorage;

  constructor(store: SqlStore, sql: SqlStorage) {
    this.#store = store;
    this.#sql = sql;
  }

  /** Idempotent: as long as a refund of the same source stands, it is the answer. */
  request(source: RefundSource, refundId: string, nowMs: number): RefundReply {
    return this.#store.transaction((): RefundReply => {
      const earlier = this.#latest(source.id);
      if (earlier !== null) {
        const verdict = earlierRefund(earlier);
        if (verdict === "stands") {
          return { result: "accepted", refund: toRefund(earlier, source), replayed: true };
        }
        if (verdict === "may_still_land") return { result: "refund_may_still_land" };
      }
      const refundable = this.#refundable(source);
      if ("refusal" in refundable) return { result: refundable.refusal };
      const { transfer, log } = refundable;
      if (transfer.amountAtomic > PAYOUT_CAP_ATOMIC) {
        return { result: "over_payout_cap", capAtomic: PAYOUT_CAP_ATOMIC };
      }
      const payment = outgoingPayment(
        transfer,
        {
          payoutId: refundId,
          // The nonce is the same for every refund of this log, so that it can't be what tells them apart.
          identity: `refund:${refundId}`,
          nonce: refundNonce(transfer.network, log.transaction, log.logIndex),
        },
        nowMs,
      );
      const path = `/v1/${source.kind}s/${source.id}/refund`;
      this.#store.payments.insert(
        payment,
        { routePath: "/v1/refunds", method: "POST", url: path },
        null,
      );
      this.#store.journal.append(postingFor("payout_reserved", payment), nowMs);
      this.#store.wakeAt(nowMs);
      return { result: "accepted", refund: toRefund(payment, source), replayed: false };
    });
  }

  read(refundId: string): Refund | null {
    const payment = this.#store.payments.byId(refundId);
    return payment === null || payment.refundOf === null
      ? null
      : toRefund(payment, payment.refundOf);
  }

  /** The latest refund of a payment or deposit; null when none was asked for. */
  latestOf(sourceId: string): Refund | null {
    const payment = this.#latest(sourceId);
    return payment === null || payment.refundOf === null
      ? null
      : toRefund(payment, payment.refundOf);
  }

  /** The log that a refund gives back; null when it is no longer known. */
  logOf(source: RefundSource): RefundedLog | null {
    return source.kind === "deposit"
      ? this.#store.deposits.byId(source.id)
      : (this.#store.payments.byId(source.id)?.evidence ?? null);
  }

  deposits({ cursor, limit }: DepositListQuery): DepositList {
    const deposits = this.#store.deposits.list(cursor, limit + 1);
    const shown = deposits.slice(0, limit);
    return {
      deposits: shown.map((deposit) => this.depositView(deposit)),
      nextCursor: deposits.length > limit ? (shown.at(-1)?.depositId ?? null) : null,
    };
  }

  depositView({ amountAtomic, blockNumber, ...deposit }: Deposit): DepositView {
    return {
      ...deposit,
      amountAtomic: String(amountAtomic),
      blockNumber: String(blockNumber),
      refund: this.latestOf(deposit.depositId),
    };
  }

  /** Atomic units of the refunds that landed, and of those of deposits that landed or are on their way. */
  totals(asset: string): { readonly landed: bigint; readonly ofDeposits: bigint } {
    const refunds = this.#sql
      .exec<{ refund_kind: string; state: string; amount_atomic: string }>(
        `SELECT refund_kind, state, amount_atomic FROM payments
         WHERE refund_of IS NOT NULL AND state NOT IN ('failed', 'expired') AND asset = ?`,
        asset,
      )
      .toArray();
    const sum = (rows: typeof refunds) =>
      rows.reduce((total, row) => total + BigInt(row.amount_atomic), 0n);
    return {
      landed: sum(refunds.filter(({ state }) => state === "settled" || state === "confirmed")),
      ofDeposits: sum(refunds.filter(({ refund_kind: kind }) => kind === "deposit")),
    };
  }

  #refundable(source: RefundSource): Refundable {
    return source.kind === "payment"
      ? this.#refundablePayment(source)
      : this.#refundableDeposit(source);
  }

  #refundablePayment(source: RefundSource): Refundable {
    const payment = this.#store.payments.byId(source.id);
    if (payment === null) return { refusal: "not_found" };
    const refusal = refundRefusal(payment);
    if (refusal !== null || payment.evidence === null) {
      return { refusal: refusal ?? "payment_not_confirmed" };
    }
    const { network, asset, payer, payee, amountAtomic } = payment.authorization;
    const transfer = { network, asset, from: payee, to: payer, amountAtomic, refundOf: source };
    return { transfer, log: payment.evidence };
  }

  #refundableDeposit(source: RefundSource): Refundable {
    const deposit = this.#store.deposits.byId(source.id);
    const account = deposit && this.#store.reconciliations.depositAccount(deposit.asset);
    if (deposit === null || account === null) return { refusal: "not_found" };
    if (deposit.claimedBy !== null) return { refusal: "nothing_to_refund" };
    const { network, asset, payer, amountAtomic } = deposit;
    if (payer === ZERO_ADDRESS) return { refusal: "no_payer" };
    const from = account.address;
    const transfer = { network, asset, from, to: payer, amountAtomic, refundOf: source };
    return { transfer, log: deposit };
  }

  #latest(sourceId: string): Payment | null {
    const row = this.#sql
      .exec<{ payment_id: string }>(
        `SELECT payment_id FROM payments WHERE refund_of = ? AND refund_of IS NOT NULL
         ORDER BY payment_id DESC LIMIT 1`,
        sourceId,
      )
      .toArray()[0];
    return row === undefined ? null : this.#store.payments.byId(row.payment_id);
  }
}

function toRefund(payment: Payment, source: RefundSource): Refund {
  const { network, asset, payee, amountAtomic } = payment.authorization;
  return {
    refundId: payment.paymentId,
    refundOf: source.id,
    state: payment.state,
    network,
    asset,
    amountAtomic: String(amountAtomic),
    payer: payee,
    transaction: isSettled(payment) ? payment.transaction : null,
    createdAtMs: payment.claimedAtMs,
    settledAtMs: payment.settledAtMs,
  };
}
