/** A canary's payment: an EIP-3009 transfer to the sink, signed by the canary's wallet, as any facilitator takes it. */
import type { Hex } from "viem";
import type { CanaryConfig } from "../facilitator/canary-config.ts";
import type { ExpectedTransfer } from "../facilitator/port.ts";
import type { WirePayment } from "../payment/wire.ts";
import type { Authorization } from "../settlement/authorization.ts";
import { wirePayoutPayment } from "./eip3009.ts";
import { signAuthorization } from "./payout-authorization.ts";

export interface CanaryPayment {
  readonly authorization: Authorization;
  readonly wire: WirePayment;
  readonly expected: ExpectedTransfer;
}

/** @param nonce 32 random bytes: every payment is one of its own, and none is sent twice */
export async function signCanaryPayment(
  canary: CanaryConfig,
  nonce: Hex,
  validBeforeMs: number,
): Promise<CanaryPayment> {
  const { asset, caip2 } = canary.network;
  const authorization: Authorization = {
    network: caip2,
    asset: asset.address,
    payer: canary.wallet,
    payee: canary.payTo,
    amountAtomic: canary.amountAtomic,
    nonce,
    validAfterMs: 0,
    validBeforeMs,
  };
  const signature = await signAuthorization(authorization, asset, canary.privateKey);
  return {
    authorization,
    wire: wirePayoutPayment(authorization, asset, signature),
    expected: { network: caip2, payer: canary.wallet, amountAtomic: canary.amountAtomic },
  };
}
