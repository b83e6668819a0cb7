import { wirePayoutPayment } from "../../../src/chain/eip3009.ts";
import type { SigningReply } from "../../../src/chain/deposit-signer.ts";
import { type NetworkConfig, configOf, findAsset } from "../../../src/config.ts";
import type { WirePayment } from "../../../src/payment/wire.ts";
import type { Payment } from "../../../src/settlement/payment.ts";
import { tenantOfPaymentId } from "../../../src/payment/payment-id.ts";
import { logFailure } from "../log-failure.ts";
import type { Payouts } from "./payouts.ts";
import type { Refunds } from "./refunds.ts";
import type { SqlStore } from "../store/sql-store.ts";

/** Gets payouts and refunds signed before their first send, by the entrypoint that holds the keys. */
export class PayoutSigning {
  readonly #env: Env;
  readonly #store: SqlStore;
  readonly #payouts: Payouts;
  readonly #refunds: Refunds;

  constructor(env: Env, store: SqlStore, payouts: Payouts, refunds: Refunds) {
    this.#env = env;
    this.#store = store;
    this.#payouts = payouts;
    this.#refunds = refunds;
  }

  /**
   * What facilitators are sent for a payment; null when a payout can't be signed, which is final.
   * @throws when it can't be signed now; it is tried again later
   */
  async wireOf(payment: Payment): Promise<WirePayment | null> {
    const known = this.#store.payments.wireOf(payment.paymentId);
    if (known !== null || payment.direction === "incoming") return known;
    const { authorization } = payment;
    const network = configOf(this.#env).networks.find(
      ({ caip2 }) => caip2 === authorization.network,
    );
    const asset = network === undefined ? null : findAsset(network, authorization.asset);
    if (asset === null) {
      throw new Error(`${payment.paymentId} names no network and token of this platform`);
    }
    const signed = await this.#sign(payment, asset);
    if (signed.result === "refused") {
      const { reason } = signed;
      if (reason === "directory_unavailable" || reason === "chain_unavailable") {
        throw new Error(reason);
      }
      logFailure(payment.paymentId, new Error(`not signed: ${reason}`));
      return null;
    }
    const wire = wirePayoutPayment(authorization, asset, signed.signature);
    // Stored before the first send: whatever happens then, what was sent is known.
    this.#store.payments.setWire(payment.paymentId, wire);
    return wire;
  }
  #sign(payment: Payment, asset: NetworkConfig["asset"]): Promise<SigningReply> {
    const { paymentId, refundOf, authorization } = payment;
    const tenantId = tenantOfPaymentId(paymentId);
    if (tenantId === null) throw new Error(`${paymentId} names no tenant`);
    const { network, payee, amountAtomic, validAfterMs, validBeforeMs } = authorization;
    const transfer = { tenantId, network, asset, amountAtomic, validAfterMs, validBeforeMs };
    if (refundOf !== null) {
      const log = this.#refunds.logOf(refundOf);
      if (log === null) throw new Error(`the transfer that ${paymentId} gives back is not known`);
      const { transaction, logIndex } = log;
      return this.#env.DEPOSIT_SIGNER.signRefund({
        ...transfer,
        payer: payee,
        transaction,
        logIndex,
      });
    }
    const serial = this.#payouts.tenantSerialOf(paymentId);
    if (serial === null) throw new Error(`payout ${paymentId} names no tenant`);
    return this.#env.DEPOSIT_SIGNER.signPayout({
      ...transfer,
      serial,
      payoutId: paymentId,
      wallet: payee,
    });
  }
}
