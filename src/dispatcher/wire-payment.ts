import { requirementsV1, requirementsV2 } from "../payment/offer.ts";
import { filledGasSponsoring } from "../payment/extensions/gas-sponsoring.ts";
import type { JsonObject, WirePayment } from "../payment/wire.ts";
import { v1NetworkName } from "../payment/networks.ts";
import type { IdentifiedCall } from "./identified-call.ts";

/**
 * The payment as facilitators get it: our own requirements (never the client's copy), the scheme's payload in
 * canonical spelling, without the quote token.
 */
export function wirePayment(
  call: Pick<IdentifiedCall, "payment" | "paid" | "offer" | "amountAtomic" | "chargedAtomic">,
): WirePayment {
  const { payment, paid } = call;
  const extensions = extensionsForFacilitator(call);
  const offer = { ...call.offer, amountAtomic: call.amountAtomic };
  if (payment.x402Version === 1) {
    const requirements = requirementsV1(offer, paid.resource);
    if (requirements === null) throw new Error(`v1 has no name for ${payment.network}`);
    return {
      x402Version: 1,
      paymentPayload: {
        x402Version: 1,
        scheme: payment.scheme,
        network: v1NetworkName(payment.network),
        payload: payment.payload,
      },
      paymentRequirements: requirements,
    };
  }
  const accepted = requirementsV2(offer);
  return {
    x402Version: 2,
    paymentPayload: {
      x402Version: 2,
      resource: { ...paid.resource },
      accepted,
      payload: payment.payload,
      ...(Object.keys(extensions).length === 0 ? {} : { extensions }),
    },
    // The client accepted a maximum, of which this is to be settled (scheme_upto_evm.md).
    paymentRequirements: { ...accepted, amount: String(call.chargedAtomic) },
  };
}

/** Of the client's extensions, only what is signed for facilitators goes to one. */
export function extensionsForFacilitator({
  offer,
  payment,
}: Pick<IdentifiedCall, "offer" | "payment">): JsonObject {
  return offer.scheme.transferMethod === "permit2" ? filledGasSponsoring(payment.extensions) : {};
}
