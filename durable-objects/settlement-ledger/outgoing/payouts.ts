/** Payouts: outgoing payments to the tenant, of credit that is confirmed on the chain. */
import { PAYOUT_CAP_ATOMIC } from "../../../src/chain/payout-policy.ts";
import type { PayoutReply, PayoutRequest } from "../../../src/contracts/ledger.ts";
import type { Balance, Payout } from "../../../src/contracts/tenant-api.ts";
import { postingFor } from "../../../src/settlement/journal.ts";
import { type Payment, isSettled } from "../../../src/settlement/payment.ts";
import { type PayoutIdentity, outgoingPayment } from "./outgoing-payment.ts";
import type { Refunds } from "./refunds.ts";
import type { SqlStore } from "../store/sql-store.ts";

/** Deposits shown with the balance: those that wait are few, and all are listed elsewhere. */
const UNCLAIMED_SHOWN = 50;

export class Payouts {
  readonly #store: SqlStore;
  readonly #sql: SqlStorage;
  readonly #refunds: Refunds;

  constructor(store: SqlStore, sql: SqlStorage, refunds: Refunds) {
    this.#store = store;
    this.#sql = sql;
    this.#refunds = refunds;
  }

  request(
    request: PayoutRequest,
    payoutIdentity: PayoutIdentity,
    nowMs: number,
  ): PayoutReply<Payout> {
    return this.#store.transaction((): PayoutReply<Payout> => {
      const known = this.#sql
        .exec<{ payment_id: string; requested_atomic: string | null }>(
          "SELECT payment_id, requested_atomic FROM payout_requests WHERE idempotency_key = ?",
          request.idempotencyKey,
        )
        .toArray()[0];
      const requestedAtomic = request.amountAtomic === null ? null : String(request.amountAtomic);
      if (known !== undefined) {
        const payout = this.read(known.payment_id);
        const isSame =
          known.requested_atomic === requestedAtomic &&
          payout?.network === request.network &&
          payout.asset === request.asset;
        return payout === null || !isSame
          ? { result: "idempotency_key_conflict" }
          : { result: "accepted", payout, replayed: true };
      }
      const availableAtomic = this.#available(request.asset);
      // The signer enforces the cap; asking it in vain would only hold the amount until the payout expired.
      const capAtomic = PAYOUT_CAP_ATOMIC;
      const amountAtomic =
        request.amountAtomic ?? (availableAtomic < capAtomic ? availableAtomic : capAtomic);
      if (availableAtomic <= 0n) return { result: "nothing_available", availableAtomic: 0n };
      if (amountAtomic > capAtomic) return { result: "over_payout_cap", capAtomic };
      if (amountAtomic > availableAtomic) {
        return { result: "insufficient_available_funds", availableAtomic };
      }
      const { network, asset, payTo: from, wallet: to } = request;
      const transfer = { network, asset, from, to, amountAtomic, refundOf: null };
      const payment = outgoingPayment(transfer, payoutIdentity, nowMs);
      this.#store.payments.insert(
        payment,
        { routePath: "/v1/payouts", method: "POST", url: "/v1/payouts" },
        null,
      );
      this.#sql.exec(
        `INSERT INTO payout_requests (idempotency_key, payment_id, requested_atomic, tenant_serial)
         VALUES (?, ?, ?, ?)`,
        request.idempotencyKey,
        payment.paymentId,
        requestedAtomic,
        request.tenantSerial,
      );
      this.#store.journal.append(postingFor("payout_reserved", payment), nowMs);
      this.#store.wakeAt(nowMs);
      return { result: "accepted", payout: toPayout(payment), replayed: false };
    });
  }

  read(payoutId: string): Payout | null {
    const payment = this.#store.payments.byId(payoutId);
    const isPayout = payment?.direction === "outgoing" && payment.refundOf === null;
    return isPayout ? toPayout(payment) : null;
  }

  /** Immutable number of the tenant whose deposit account signs this payout. */
  tenantSerialOf(payoutId: string): number | null {
    return (
      this.#sql
        .exec<{ tenant_serial: number }>(
          "SELECT tenant_serial FROM payout_requests WHERE payment_id = ?",
          payoutId,
        )
        .toArray()[0]?.tenant_serial ?? null
    );
  }

  balance(network: string, asset: string): Balance {
    const { journal } = this.#store;
    const payable = -journal.balance(asset, "payable");
    const inFlight = -journal.balance(asset, "in_flight");
    const fees = -journal.balance(asset, "fees");
    const credits = -journal.balance(asset, "credits");
    const unclaimed = -journal.balance(asset, "unclaimed");
    const refunds = this.#refunds.totals(asset);
    const paidOut = this.#sum(
      `SELECT amount_atomic FROM payments p JOIN payout_requests r ON r.payment_id = p.payment_id
       WHERE p.asset = ? AND p.state IN ('settled', 'confirmed')`,
      asset,
    );
    return {
      network,
      asset,
      settledAtomic: String(
        payable + fees + credits + inFlight + paidOut + refunds.landed - refunds.ofDeposits,
      ),
      feesAtomic: String(fees),
      payableAtomic: String(payable),
      availableAtomic: String(this.#available(asset)),
      inFlightAtomic: String(inFlight),
      creditsAtomic: String(credits),
      paidOutAtomic: String(paidOut),
      refundedAtomic: String(refunds.landed),
      unclaimedAtomic: String(unclaimed),
      unclaimedDeposits: this.#store.deposits
        .unclaimed(asset, UNCLAIMED_SHOWN)
        .map((deposit) => this.#refunds.depositView(deposit)),
    };
  }

  /** Payable less what may still have to be given up; never negative. */
  #available(asset: string): bigint {
    const atRisk =
      this.#sum(selectAtRisk("amount_atomic"), asset) -
      this.#sum(selectAtRisk("fee_atomic"), asset);
    const available = -this.#store.journal.balance(asset, "payable") - atRisk;
    return available > 0n ? available : 0n;
  }

  #sum(query: string, asset: string): bigint {
    return this.#sql
      .exec<{ amount_atomic: string }>(query, asset)
      .toArray()
      .reduce((sum, row) => sum + BigInt(row.amount_atomic), 0n);
  }
}

/** Of payments that are payable, but not confirmed on the chain yet or paid upfront and not delivered yet. */
function selectAtRisk(column: "amount_atomic" | "fee_atomic"): string {
  return `
    SELECT ${column} AS amount_atomic FROM payments
    WHERE state = 'settled' AND direction = 'incoming' AND asset = ?1
      AND fulfilment IS NOT 'undelivered'
    UNION ALL
    SELECT ${column} FROM payments
    WHERE fulfilment = 'pending' AND state = 'confirmed' AND asset = ?1`;
}

function toPayout(payment: Payment): Payout {
  return {
    payoutId: payment.paymentId,
    state: payment.state,
    network: payment.authorization.network,
    asset: payment.authorization.asset,
    amountAtomic: String(payment.authorization.amountAtomic),
    wallet: payment.authorization.payee,
    transaction: isSettled(payment) ? payment.transaction : null,
    createdAtMs: payment.claimedAtMs,
    settledAtMs: payment.settledAtMs,
  };
}
