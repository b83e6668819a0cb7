/** PAYMENT-RESPONSE (v2) and X-PAYMENT-RESPONSE (v1): what became of the payment, for its client. */
import type { SettlementSummary } from "../contracts/ledger.ts";
import {
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_RESPONSE_HEADER_V1,
  encodeHeader,
} from "./header-codec.ts";
import { v1NetworkName } from "./networks.ts";
import type { JsonObject } from "./wire.ts";

/** Name and value of the header for the version the client speaks. */
export function settlementHeader(
  x402Version: 1 | 2,
  settlement:
    | {
        readonly success: true;
        readonly summary: SettlementSummary;
        /** What x402 extensions add to it. */
        readonly extensions?: JsonObject | null;
      }
    | {
        readonly success: false;
        readonly reason: string;
        readonly transaction: string | null;
        readonly network: string;
        readonly payer: string;
      },
): [name: string, value: string] {
  const network = settlement.success ? settlement.summary.network : settlement.network;
  const named = x402Version === 1 ? (v1NetworkName(network) ?? network) : network;
  const name = x402Version === 1 ? PAYMENT_RESPONSE_HEADER_V1 : PAYMENT_RESPONSE_HEADER;
  if (settlement.success) {
    const { transaction, payer, amountAtomic } = settlement.summary;
    return [
      name,
      encodeHeader({
        success: true,
        transaction,
        network: named,
        payer,
        ...(x402Version === 1 ? {} : { amount: String(amountAtomic) }),
        ...(settlement.extensions ? { extensions: settlement.extensions } : {}),
      }),
    ];
  }
  return [
    name,
    encodeHeader({
      success: false,
      errorReason: settlement.reason,
      transaction: settlement.transaction ?? "",
      network: named,
      payer: settlement.payer,
    }),
  ];
}
