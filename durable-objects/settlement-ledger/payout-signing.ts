import { wirePayoutPayment } from "../../src/chain/eip3009.ts";
import { configOf } from "../../src/config.ts";
import type { WirePayment } from "../../src/payment/wire.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import { tenantOfPaymentId } from "../../src/payment/payment-id.ts";
import { logFailure } from "./log-failure.ts";
import type { Payouts } from "./payouts.ts";
import type { SqlStore } from "./sql-store.ts";

/** Gets payouts signed before their first send, by the entrypoint that holds the keys. */
export class PayoutSigning {
  readonly #env: Env;
  readonly #store: SqlStore;
  readonly #payouts: Payouts;

  constructor(env: Env, store: SqlStore, payouts: Payouts) {
    this.#env = env;
    this.#store = store;
    this.#payouts = payouts;
  }

  /**
   * What facilitators are sent for a payment; null when a payout can't be signed, which is final.
   * @throws when it can't be signed now; it is tried again later
   */
  async wireOf(payment: Payment): Promise<WirePayment | null> {
    const known = this.#store.payments.wireOf(payment.paymentId);
    if (known !== null || payment.direction === "incoming") return known;
    const tenantId = tenantOfPaymentId(payment.paymentId);
    const serial = this.#payouts.tenantSerialOf(payment.paymentId);
    const network = configOf(this.#env).networks.find(
      ({ caip2 }) => caip2 === payment.authorization.network,
    );
    if (tenantId === null || serial === null || network === undefined) {
      throw new Error(`payout ${payment.paymentId} names no tenant or network of this platform`);
    }
    const { authorization } = payment;
    const signed = await this.#env.DEPOSIT_SIGNER.signPayout({
      tenantId,
      serial,
      payoutId: payment.paymentId,
      network: authorization.network,
      asset: network.asset,
      wallet: authorization.payee,
      amountAtomic: authorization.amountAtomic,
      validAfterMs: authorization.validAfterMs,
      validBeforeMs: authorization.validBeforeMs,
    });
    if (signed.result === "refused") {
      if (signed.reason === "directory_unavailable") throw new Error(signed.reason);
      logFailure(payment.paymentId, new Error(`payout not signed: ${signed.reason}`));
      return null;
    }
    const wire = wirePayoutPayment(authorization, network.asset, signed.signature);
    // Stored before the first send: whatever happens then, what was sent is known.
    this.#store.payments.setWire(payment.paymentId, wire);
    return wire;
  }
}
