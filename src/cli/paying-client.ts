/** Pays for one call with the official `@x402/fetch` client, and resends the same payment while its outcome is open. */
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader,
} from "@x402/core/http";
import type { PaymentRequired, SettleResponse } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { x402Client } from "@x402/fetch";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { PaymentError, payingFetch } from "../client/paying-fetch.ts";

export interface PaidRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface PaidCall {
  readonly response: Response;
  /** Atomic units that the payment allows to be charged; null when nothing was paid, or it does not say. */
  readonly signedAtomic: string | null;
  /** The PAYMENT-SIGNATURE header that was sent; null when nothing was paid. Whoever has it can fetch the answer. */
  readonly paymentHeader: string | null;
  readonly settlement: SettleResponse | null;
}

/** The client did not pay what was asked: too expensive, or nothing it can pay with. Nothing was sent. */
export class NotPaidError extends Error {
  override readonly name = "NotPaidError";
  readonly quote: PaymentRequired;
  constructor(quote: PaymentRequired, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.quote = quote;
  }
}

/**
 * The official client for one key, restricted to the dollar stablecoins it knows.
 *
 * @param maxPrice most to pay for one call, for example `$0.10`
 */
export function createPaymentClient(privateKey: Hex, maxPrice: string): x402Client {
  const account = privateKeyToAccount(privateKey);
  return x402Client.fromConfig({
    schemes: [
      { network: "eip155:*", client: new ExactEvmScheme(account) },
      { network: "eip155:*", client: new UptoEvmScheme(account) },
    ],
    spendControls: { maxAmountPerPayment: maxPrice },
  });
}

/**
 * Calls and pays. Where the platform says that the same payment should be sent again, it is, until `waitMs` is over.
 *
 * @throws NotPaidError; whatever fetch throws when there is no answer.
 */
export async function callAndPay(
  client: x402Client,
  request: PaidRequest,
  waitMs: number,
): Promise<PaidCall> {
  const record = new PaymentRecord();
  const buy = payingFetch(client, { fetch: record.fetch, patienceMs: waitMs });
  const { url, ...init } = request;
  const response = await buy(url, init).catch((error: unknown) => {
    if (!(error instanceof PaymentError)) throw error;
    if (error.response !== null) return error.response;
    if (error.state === "not_payable" && record.quote !== null) {
      throw new NotPaidError(record.quote, error.cause);
    }
    throw error;
  });
  const receipt = response.headers.get("PAYMENT-RESPONSE");
  const { paymentHeader } = record;
  return {
    response,
    signedAtomic: signedAtomicOf(paymentHeader),
    paymentHeader,
    settlement: receipt === null ? null : decodePaymentResponseHeader(receipt),
  };
}

function signedAtomicOf(paymentHeader: string | null): string | null {
  if (paymentHeader === null) return null;
  try {
    return decodePaymentSignatureHeader(paymentHeader).accepted.amount;
  } catch {
    // A header that the caller gave may hold anything: what the server says of it is the answer.
    return null;
  }
}

/** A fetch that remembers the quote it received and the payment it sent, and changes neither. */
export class PaymentRecord {
  quote: PaymentRequired | null = null;
  paymentHeader: string | null = null;

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    this.paymentHeader = request.headers.get("PAYMENT-SIGNATURE") ?? this.paymentHeader;
    const response = await fetch(request);
    const required = response.headers.get("PAYMENT-REQUIRED");
    if (required !== null) this.quote = decodePaymentRequiredHeader(required);
    return response;
  };
}
