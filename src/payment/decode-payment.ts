/**
 * Payment headers, strictly decoded. One signature has one spelling here (hex in lower case, amounts in plain
 * decimal), because the payment's identity is computed from it; anything else is malformed, never guessed.
 */
import * as z from "zod";
import type { Authorization } from "../settlement/authorization.ts";
import { PAYMENT_HEADER_V1, PAYMENT_SIGNATURE_HEADER, decodeHeader } from "./header-codec.ts";
import { caip2OfV1Name } from "./networks.ts";
import type { JsonObject } from "./wire.ts";

const lowerHex = (pattern: RegExp, what: string) =>
  z
    .string()
    .regex(pattern, `must be ${what}`)
    .transform((hex) => hex.toLowerCase());

const addressSchema = lowerHex(/^0x[0-9a-fA-F]{40}$/, "a 20-byte address");
const uintSchema = z.string().regex(/^(?:0|[1-9][0-9]{0,77})$/, "must be a decimal integer");

const eip3009PayloadSchema = z.object({
  /** 65 bytes for an EOA; contract wallets (EIP-1271, EIP-6492) need more, bounded by the header's length. */
  signature: lowerHex(/^0x(?:[0-9a-fA-F]{2})+$/, "hex bytes"),
  authorization: z.object({
    from: addressSchema,
    to: addressSchema,
    value: uintSchema,
    validAfter: uintSchema,
    validBefore: uintSchema,
    nonce: lowerHex(/^0x[0-9a-fA-F]{64}$/, "32 bytes"),
  }),
});

/** What is in it is checked where it is used; that it is JSON is known, because it was parsed as such. */
const jsonObjectSchema = z.record(z.string(), z.unknown());

const acceptedSchema = z.object({
  scheme: z.string().max(64),
  network: z.string().max(128),
  amount: uintSchema,
  asset: z.string().max(128),
  payTo: z.string().max(128),
  maxTimeoutSeconds: z.number().int().positive(),
  extra: jsonObjectSchema.optional(),
});

const payloadV2Schema = z.object({
  x402Version: z.literal(2),
  resource: z.object({ url: z.string() }).optional(),
  accepted: acceptedSchema,
  payload: jsonObjectSchema,
  extensions: jsonObjectSchema.optional(),
});

const payloadV1Schema = z.object({
  x402Version: z.literal(1),
  scheme: z.string().max(64),
  network: z.string().max(128),
  payload: jsonObjectSchema,
});

/** What a v2 client says it accepted. v1 says nothing, so terms come from the route. */
export interface AcceptedTerms {
  readonly scheme: string;
  readonly network: string;
  readonly amount: string;
  readonly asset: string;
  readonly payTo: string;
  readonly quote: string | null;
  /** `authorization` when it names none, as x402 says. */
  readonly paymentFlow: string;
}

export interface DecodedPayment {
  readonly x402Version: 1 | 2;
  readonly scheme: string;
  /** CAIP-2, also for v1; the client's own text when v1's name is unknown. */
  readonly network: string;
  readonly accepted: AcceptedTerms | null;
  readonly signature: string;
  readonly from: string;
  readonly to: string;
  readonly value: bigint;
  readonly validAfterMs: number;
  readonly validBeforeMs: number;
  readonly nonce: string;
  /** The scheme's payload in canonical spelling, as facilitators get it. */
  readonly payload: JsonObject;
  /** URL the client believes it pays for; unsigned, so only good against accidents. */
  readonly resourceUrl: string | null;
}

export type PaymentHeader =
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly problem: string }
  | { readonly kind: "payment"; readonly payment: DecodedPayment };

/** Reads the payment of a request: PAYMENT-SIGNATURE (v2) wins over X-PAYMENT (v1). */
export function decodePayment(headers: Headers): PaymentHeader {
  const v2 = headers.get(PAYMENT_SIGNATURE_HEADER);
  if (v2 !== null) return decodeV2(v2);
  const v1 = headers.get(PAYMENT_HEADER_V1);
  if (v1 !== null) return decodeV1(v1);
  return { kind: "none" };
}

function decodeV2(text: string): PaymentHeader {
  const decoded = decodeHeader(text);
  if (!decoded.ok) return malformed(PAYMENT_SIGNATURE_HEADER, decoded.problem);
  const parsed = payloadV2Schema.safeParse(decoded.value);
  if (!parsed.success) return malformed(PAYMENT_SIGNATURE_HEADER, firstIssue(parsed.error));
  const { accepted, payload, resource } = parsed.data;
  const quote = accepted.extra?.["quote"];
  const paymentFlow = accepted.extra?.["paymentFlow"];
  return withPayload(PAYMENT_SIGNATURE_HEADER, payload, {
    x402Version: 2,
    scheme: accepted.scheme,
    network: accepted.network,
    accepted: {
      scheme: accepted.scheme,
      network: accepted.network,
      amount: accepted.amount,
      asset: accepted.asset.toLowerCase(),
      payTo: accepted.payTo.toLowerCase(),
      quote: typeof quote === "string" ? quote : null,
      paymentFlow: typeof paymentFlow === "string" ? paymentFlow : "authorization",
    },
    resourceUrl: resource?.url ?? null,
  });
}

function decodeV1(text: string): PaymentHeader {
  const decoded = decodeHeader(text);
  if (!decoded.ok) return malformed(PAYMENT_HEADER_V1, decoded.problem);
  const parsed = payloadV1Schema.safeParse(decoded.value);
  if (!parsed.success) return malformed(PAYMENT_HEADER_V1, firstIssue(parsed.error));
  const { scheme, network, payload } = parsed.data;
  return withPayload(PAYMENT_HEADER_V1, payload, {
    x402Version: 1,
    scheme,
    network: caip2OfV1Name(network) ?? network,
    accepted: null,
    resourceUrl: null,
  });
}

type Envelope = Pick<
  DecodedPayment,
  "x402Version" | "scheme" | "network" | "accepted" | "resourceUrl"
>;

function withPayload(
  header: string,
  payload: Record<string, unknown>,
  envelope: Envelope,
): PaymentHeader {
  const parsed = eip3009PayloadSchema.safeParse(payload);
  if (!parsed.success) return malformed(header, `payload.${firstIssue(parsed.error)}`);
  const { signature, authorization } = parsed.data;
  return {
    kind: "payment",
    payment: {
      ...envelope,
      signature,
      from: authorization.from,
      to: authorization.to,
      value: BigInt(authorization.value),
      validAfterMs: toMs(authorization.validAfter),
      validBeforeMs: toMs(authorization.validBefore),
      nonce: authorization.nonce,
      payload: { signature, authorization: { ...authorization } },
    },
  };
}

/** "Forever" is a legal uint256; as a time it is capped where milliseconds are still exact. */
function toMs(seconds: string): number {
  return Math.min(Number(seconds) * 1_000, Number.MAX_SAFE_INTEGER);
}

/** The signed promise, for a network and asset of ours. */
export function authorizationOf(payment: DecodedPayment, asset: string): Authorization {
  return {
    network: payment.network,
    asset,
    payer: payment.from,
    payee: payment.to,
    amountAtomic: payment.value,
    nonce: payment.nonce,
    validAfterMs: payment.validAfterMs,
    validBeforeMs: payment.validBeforeMs,
  };
}

function malformed(header: string, problem: string): PaymentHeader {
  return { kind: "malformed", problem: `${header} ${problem}` };
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join(".") ?? ""} ${issue?.message ?? "is invalid"}`.trim();
}
