/** A facilitator reached over HTTP (specs/x402-specification-v2, section 7). */
import * as z from "zod";
import type { FacilitatorConfig } from "../config.ts";
import type { WirePayment } from "../payment/wire.ts";
import { authHeaders } from "./auth-headers.ts";
import {
  type SettleReading,
  type VerifyReading,
  classifySettle,
  classifyVerify,
} from "./classify.ts";
import type { Operation } from "./health-signal.ts";
import { type Fetch, type HttpRequest, exchange } from "./http-exchange.ts";
import type { ExpectedTransfer } from "./port.ts";

/** Verify and settle responses are a few hundred bytes; extensions may add some. */
const REPLY_BYTES_MAX = 64 * 1_024;

export interface FacilitatorCallOptions {
  /** Shorter than the configured timeout when the caller's own deadline is near. */
  readonly timeoutMs?: number;
  readonly fetch?: Fetch | undefined;
}

/** One POST to `/verify`: what it says about the payment, and about the facilitator. */
export async function postVerify(
  config: FacilitatorConfig,
  payment: WirePayment,
  options: FacilitatorCallOptions = {},
): Promise<VerifyReading> {
  const reply = await exchange(
    await paymentRequest(config, "verify", payment),
    {
      timeoutMs: options.timeoutMs ?? config.timeouts.verifyMs,
      bodyBytesMax: REPLY_BYTES_MAX,
    },
    options.fetch,
  );
  return classifyVerify(reply, payerOf(payment));
}

/**
 * One POST to `/settle`. A redirect comes out as ambiguous: 303, and 302 as servers use it, are what a POST is
 * answered with after its work was done.
 */
export async function postSettle(
  config: FacilitatorConfig,
  payment: WirePayment,
  expected: ExpectedTransfer,
  options: FacilitatorCallOptions = {},
): Promise<SettleReading> {
  const reply = await exchange(
    await paymentRequest(config, "settle", payment),
    {
      timeoutMs: options.timeoutMs ?? config.timeouts.settleMs,
      bodyBytesMax: REPLY_BYTES_MAX,
    },
    options.fetch,
  );
  return classifySettle(reply, expected);
}

/** URL of an endpoint below the configured one, whether that ends in a slash or not. */
export function endpointUrl({ url }: Pick<FacilitatorConfig, "url">, endpoint: string): string {
  return `${url.replace(/\/+$/, "")}/${endpoint}`;
}

async function paymentRequest(
  config: FacilitatorConfig,
  operation: Operation,
  { x402Version, paymentPayload, paymentRequirements }: WirePayment,
): Promise<HttpRequest> {
  const target = { method: "POST", url: endpointUrl(config, operation) } as const;
  return {
    ...target,
    headers: { "Content-Type": "application/json", ...(await authHeaders(config, target)) },
    body: JSON.stringify({ x402Version, paymentPayload, paymentRequirements }),
  };
}

const fromSchema = z.object({ from: z.string() });
const payerSchema = z.object({
  payload: z.union([
    z.object({ authorization: fromSchema }).transform(({ authorization }) => authorization.from),
    z
      .object({ permit2Authorization: fromSchema })
      .transform(({ permit2Authorization }) => permit2Authorization.from),
  ]),
});

/** The payer an EVM payment names, lower-case hex; null for schemes that leave it to the facilitator to find out. */
function payerOf({ paymentPayload }: WirePayment): string | null {
  const parsed = payerSchema.safeParse(paymentPayload);
  return parsed.success ? parsed.data.payload.toLowerCase() : null;
}
