/**
 * Payment headers, strictly decoded. One signature has one spelling here (hex in lower case, amounts in plain
 * decimal), because the payment's identity is computed from it; anything else is malformed, never guessed.
 */
import * as z from "zod";
import type { Authorization } from "../settlement/authorization.ts";
import { type EchoedExtensions, echoedExtensionsSchema } from "./extensions/echo.ts";
import { PAYMENT_HEADER_V1, PAYMENT_SIGNATURE_HEADER, decodeHeader } from "./header-codec.ts";
import { caip2OfV1Name, canonicalSpelling } from "./networks.ts";
import type { Scheme, SignedPayload } from "./scheme.ts";
import { findScheme } from "./schemes/all.ts";
import { exactEip3009 } from "./schemes/exact-eip3009.ts";
import { firstIssue, uintSchema } from "./strict-schemas.ts";

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
  extensions: echoedExtensionsSchema.default({}),
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

export interface DecodedPayment extends SignedPayload {
  readonly x402Version: 1 | 2;
  /** x402's name, as the client spells it. */
  readonly scheme: string;
  /** How it was decoded; null when the platform has no such scheme, and it is like EIP-3009's. */
  readonly method: Scheme | null;
  /** CAIP-2, also for v1; the client's own text when v1's name is unknown. */
  readonly network: string;
  readonly accepted: AcceptedTerms | null;
  /** URL the client believes it pays for; unsigned, so only good against accidents. */
  readonly resourceUrl: string | null;
  /** What the client sent of the extensions it was told of, and its own; none in v1. */
  readonly extensions: EchoedExtensions;
}

export type PaymentHeader =
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly problem: string }
  /** Of a scheme or a network that the platform does not have: nobody here can read what was signed. */
  | { readonly kind: "foreign"; readonly scheme: string; readonly network: string }
  | { readonly kind: "payment"; readonly payment: DecodedPayment };

/** Reads the payment of a request: PAYMENT-SIGNATURE (v2) wins over X-PAYMENT (v1). @param nowMs when it came */
export function decodePayment(headers: Headers, nowMs: number = Date.now()): PaymentHeader {
  const v2 = headers.get(PAYMENT_SIGNATURE_HEADER);
  if (v2 !== null) return decodeV2(v2, nowMs);
  const v1 = headers.get(PAYMENT_HEADER_V1);
  if (v1 !== null) return decodeV1(v1, nowMs);
  return { kind: "none" };
}

function decodeV2(text: string, nowMs: number): PaymentHeader {
  const decoded = decodeHeader(text);
  if (!decoded.ok) return malformed(PAYMENT_SIGNATURE_HEADER, decoded.problem);
  const parsed = payloadV2Schema.safeParse(decoded.value);
  if (!parsed.success) return malformed(PAYMENT_SIGNATURE_HEADER, firstIssue(parsed.error));
  const { accepted, payload, resource, extensions } = parsed.data;
  const quote = accepted.extra?.["quote"];
  const paymentFlow = accepted.extra?.["paymentFlow"];
  const transferMethod = accepted.extra?.["assetTransferMethod"];
  const { scheme, network } = accepted;
  const spelled = (address: string) => canonicalSpelling(network, address);
  return withPayload(PAYMENT_SIGNATURE_HEADER, payload, nowMs, {
    x402Version: 2,
    scheme,
    network,
    method: findScheme(scheme, network, transferMethodOf(transferMethod)),
    accepted: {
      scheme,
      network,
      amount: accepted.amount,
      asset: spelled(accepted.asset),
      payTo: spelled(accepted.payTo),
      quote: typeof quote === "string" ? quote : null,
      paymentFlow: typeof paymentFlow === "string" ? paymentFlow : "authorization",
    },
    resourceUrl: resource?.url ?? null,
    extensions,
  });
}

function decodeV1(text: string, nowMs: number): PaymentHeader {
  const decoded = decodeHeader(text);
  if (!decoded.ok) return malformed(PAYMENT_HEADER_V1, decoded.problem);
  const parsed = payloadV1Schema.safeParse(decoded.value);
  if (!parsed.success) return malformed(PAYMENT_HEADER_V1, firstIssue(parsed.error));
  const { scheme, payload } = parsed.data;
  const network = caip2OfV1Name(parsed.data.network) ?? parsed.data.network;
  return withPayload(PAYMENT_HEADER_V1, payload, nowMs, {
    x402Version: 1,
    scheme,
    network,
    method: findScheme(scheme, network, null),
    accepted: null,
    resourceUrl: null,
    extensions: {},
  });
}

type Envelope = Omit<DecodedPayment, keyof SignedPayload>;

function withPayload(
  header: string,
  payload: Record<string, unknown>,
  nowMs: number,
  envelope: Envelope,
): PaymentHeader {
  const context = { payTo: envelope.accepted?.payTo ?? null, nowMs };
  const decoded = (envelope.method ?? exactEip3009).decode(payload, context);
  if (decoded.ok) return { kind: "payment", payment: { ...envelope, ...decoded.signed } };
  const { method, scheme, network } = envelope;
  return method === null
    ? { kind: "foreign", scheme, network }
    : malformed(header, `payload.${decoded.problem}`);
}

/** EIP-3009 is named by some clients, and is what is meant without a name. */
function transferMethodOf(named: unknown): string | null {
  return typeof named === "string" && named !== "eip3009" ? named : null;
}

/**
 * The signed promise, for a network and asset of ours.
 * @param chargedAtomic where less than a signed maximum is to be moved
 */
export function authorizationOf(
  payment: DecodedPayment,
  asset: string,
  chargedAtomic: bigint = payment.value,
): Authorization {
  return {
    network: payment.network,
    asset,
    payer: payment.from,
    payee: payment.to,
    amountAtomic: chargedAtomic,
    ...(payment.method?.amountIs === "maximum" ? { maximumAtomic: payment.value } : {}),
    ...(payment.permit2 === undefined ? {} : { transferMethod: "permit2" as const }),
    nonce: payment.nonce,
    validAfterMs: payment.validAfterMs,
    validBeforeMs: payment.validBeforeMs,
  };
}

function malformed(header: string, problem: string): PaymentHeader {
  return { kind: "malformed", problem: `${header} ${problem}` };
}
