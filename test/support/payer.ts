/** Payers for end-to-end tests: payments made by the unmodified x402 client, and sends of them whose bytes are ours. */
import { encodePaymentSignatureHeader, x402HTTPClient } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { wrapFetchWithPayment } from "@x402/fetch";
import type { Hex } from "viem";
import { z } from "zod";
import { PaymentRecord, createPaymentClient } from "../../src/cli/paying-client.ts";

const MAX_PRICE = "$1";
const codeSchema = z.object({ code: z.string() });

/** One answer, read to its end. */
export interface Answer {
  readonly status: number;
  /** Machine code of a problem or a 402; null for what was paid for. */
  readonly code: string | null;
  readonly paymentStatus: string | null;
  readonly replayed: boolean;
  readonly headers: Headers;
  readonly body: string;
}

export class Payer {
  readonly #client;

  constructor(privateKey: Hex) {
    this.#client = createPaymentClient(privateKey, MAX_PRICE);
  }

  /** Calls with the official client, as any program would: 402, sign, send again. */
  async pay(url: string): Promise<Answer & { readonly header: string }> {
    const record = new PaymentRecord();
    const response = await wrapFetchWithPayment(record.fetch, this.#client)(url);
    if (record.paymentHeader === null) throw new Error("the client paid nothing");
    return { ...(await readAnswer(response)), header: record.paymentHeader };
  }

  /** Asks for a quote and signs it, without sending the payment. `change` may spoil it before it is encoded. */
  async sign(
    url: string,
    change: (payload: PaymentPayload) => void = () => {},
    quote?: PaymentRequired,
  ): Promise<string> {
    const required = quote ?? (await quoteOf(url));
    const payload = await new x402HTTPClient(this.#client).createPaymentPayload(required);
    change(payload);
    return encodePaymentSignatureHeader(payload);
  }
}

/** The 402 of an unpaid call, decoded by the official client. */
export async function quoteOf(url: string): Promise<PaymentRequired> {
  const response = await fetch(url);
  const http = new x402HTTPClient(createPaymentClient(`0x${"11".repeat(32)}`, MAX_PRICE));
  return http.getPaymentRequiredResponse(
    (name) => response.headers.get(name),
    await response.json(),
  );
}

/** Sends exactly this payment header. */
export async function send(
  url: string,
  header: string,
  init: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Answer> {
  const headers = { ...init.headers, "PAYMENT-SIGNATURE": header };
  return await readAnswer(await fetch(url, { ...init, headers }));
}

export async function readAnswer(response: Response): Promise<Answer> {
  const body = await response.text();
  const parsed = response.ok ? null : codeSchema.safeParse(parseJson(body));
  return {
    status: response.status,
    code: parsed?.success === true ? parsed.data.code : null,
    paymentStatus: response.headers.get("Payment-Status"),
    replayed: response.headers.get("Idempotent-Replayed") === "true",
    headers: response.headers,
    body,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
