/**
 * What may be spent over many calls. It counts what is signed away, and gives back only what the server vouches was
 * not charged: an open outcome stays counted, so that no sequence of failures spends more than the budget.
 */
import { decodePaymentSignatureHeader } from "@x402/core/http";
import { findDefaultAsset } from "@x402/evm";
import { PaymentError } from "./payment-error.ts";
import type { SentPayment } from "./sent-payment.ts";

/** Amounts of all assets are compared with this many decimals, the most a dollar token of x402 has. */
const DECIMALS = 18;
const DOLLARS = /^\$(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,18}))?$/;

export class Budget {
  #left: bigint;
  readonly #reserved = new Map<string, bigint>();

  constructor(dollars: string) {
    const [, whole, fraction = ""] = DOLLARS.exec(dollars) ?? [];
    if (whole === undefined) throw new RangeError(`budget must look like $5 or $0.25: ${dollars}`);
    this.#left = BigInt(whole + fraction.padEnd(DECIMALS, "0"));
  }

  /** @throws PaymentError `over_budget`, or `not_payable` when nobody knows what the payment is worth. */
  reserve(payment: SentPayment): void {
    if (this.#reserved.has(payment.value)) return;
    const worth = worthOf(payment);
    if (worth > this.#left) throw new PaymentError("over_budget");
    this.#left -= worth;
    this.#reserved.set(payment.value, worth);
  }

  /** Ends a reservation: what was charged stays spent. */
  close(payment: SentPayment, outcome: { readonly isCharged: boolean }): void {
    if (!outcome.isCharged) this.#left += this.#reserved.get(payment.value) ?? 0n;
    this.#reserved.delete(payment.value);
  }
}

/** Dollars with `DECIMALS` decimals. */
function worthOf({ header, value }: SentPayment): bigint {
  if (header === "X-PAYMENT") {
    throw new PaymentError("not_payable", {
      cause: new Error("x402 v1 payments do not name their asset, so a budget can't count them"),
    });
  }
  const { network, asset, amount } = decodePaymentSignatureHeader(value).accepted;
  const known = isCaip2(network) ? findDefaultAsset(asset, network) : undefined;
  if (known === undefined) {
    throw new PaymentError("not_payable", {
      cause: new Error(`${asset} on ${network} is no dollar token that x402 knows`),
    });
  }
  return BigInt(amount) * 10n ** BigInt(DECIMALS - known.decimals);
}

function isCaip2(network: string): network is `${string}:${string}` {
  return network.includes(":");
}
