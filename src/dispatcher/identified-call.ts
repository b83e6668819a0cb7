/** What is worked out about a paid call before the ledger is asked: who pays, for what, and whether it would be taken. */
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { PlatformConfig } from "../config.ts";
import { facilitatorGateway, prepareRouting } from "../facilitator/gateway.ts";
import type { FacilitatorGateway } from "../facilitator/port.ts";
import { regionOf } from "../facilitator/region.ts";
import { type DecodedPayment, authorizationOf } from "../payment/decode-payment.ts";
import { sha256Hex } from "../payment/hash.ts";
import { eip3009Identity } from "../payment/identity.ts";
import { type QuotedTerms, readQuote } from "../payment/quote-token.ts";
import { amountDue, refuseTerms } from "../payment/terms.ts";
import type { SignedAuthorization } from "../settlement/authorization.ts";
import type { ReplayProofs } from "../settlement/payment.ts";
import { type Destination, type PaidRoute, checkParameters } from "./paid-route.ts";

/** A request that carries a payment, whether or not anything is sold where it goes. */
export interface IncomingPayment {
  readonly env: Env;
  readonly execution: Pick<ExecutionContext, "waitUntil">;
  readonly config: PlatformConfig;
  readonly paid: Destination;
  readonly request: Request;
  readonly payment: DecodedPayment;
}

/** With what names it, and what its sender can show: enough to ask the ledger whether it is known. */
export interface IdentifiedPayment extends IncomingPayment {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly proofs: ReplayProofs;
  /** The quote it carries: null when it has none, `invalid` when we did not sign it. */
  readonly quote: QuotedTerms | "invalid" | null;
  readonly signed: SignedAuthorization;
  readonly ledger: LedgerClient;
}

export interface PaidCall extends IncomingPayment {
  readonly paid: PaidRoute;
}

/** A paid call with all that was worked out about it before the ledger is asked. */
export interface IdentifiedCall extends IdentifiedPayment {
  readonly paid: PaidRoute;
  /** Why it would be refused if it were new; null when it would be taken. */
  readonly refusal: Refusal | null;
  /** What it has to pay: its quote's price, or today's. Atomic units. */
  readonly amountAtomic: bigint;
  readonly facilitators: FacilitatorGateway;
}

export interface Refusal {
  readonly code: string;
  readonly detail: string;
  /** Set when a parameter is at fault and not the payment. */
  readonly parameter?: string;
}

/** Shorter keys could be guessed, and they open stored answers. */
const IDEMPOTENCY_KEY_LENGTH_MIN = 16;

export function identifyPayment(
  call: IncomingPayment,
  body: Uint8Array<ArrayBuffer>,
): IdentifiedPayment {
  const { env, config, paid, payment, request } = call;
  const { tenantId } = paid.snapshot;
  const asset = paid.network.asset.address;
  const identity = eip3009Identity(payment.network, asset, payment.from, payment.nonce);
  const token = payment.accepted?.quote ?? null;
  const idempotencyKey = request.headers.get("Idempotency-Key");
  const quote = token === null ? null : (readQuote(token, config.quoteSecret) ?? "invalid");
  return {
    ...call,
    body,
    identity,
    payloadDigest: sha256Hex(
      JSON.stringify([identity, payment.signature, payment.to, String(payment.value)]),
    ),
    requestFingerprint: sha256Hex(
      JSON.stringify([request.method, tenantId, paid.target, sha256Hex(body)]),
    ),
    proofs: {
      quoteHash: token === null || quote === "invalid" ? null : sha256Hex(token),
      identifierHash: null,
      idempotencyKeyHash:
        idempotencyKey === null || idempotencyKey.length < IDEMPOTENCY_KEY_LENGTH_MIN
          ? null
          : sha256Hex(idempotencyKey),
    },
    quote,
    signed: {
      authorization: authorizationOf(payment, asset),
      domain: { name: paid.network.asset.name, version: paid.network.asset.version },
      signature: payment.signature,
    },
    ledger: ledgerOf(env, tenantId),
  };
}

export function identify(call: PaidCall, body: Uint8Array<ArrayBuffer>): IdentifiedCall {
  const { env, execution, paid, payment } = call;
  const region = regionOf(call.request.cf);
  prepareRouting(env, execution, region);
  const identified = identifyPayment(call, body);
  const context = {
    tenantId: paid.snapshot.tenantId,
    route: paid.route.path,
    offer: paid.offer,
    quote: identified.quote,
    nowMs: Date.now(),
  };
  return {
    ...identified,
    paid,
    refusal: refuse(call, refuseTerms(payment, context)),
    amountAtomic: amountDue(context),
    facilitators: facilitatorGateway(env, execution, region),
  };
}

function refuse({ paid, request }: PaidCall, termsRefusal: string | null): Refusal | null {
  if (termsRefusal !== null) {
    return { code: termsRefusal, detail: `The payment does not fit this route: ${termsRefusal}.` };
  }
  if (!paid.route.methods.some((method) => method === request.method)) {
    return {
      code: "method_not_allowed",
      detail: `This route answers ${paid.route.methods.join(", ")}; nothing was charged.`,
    };
  }
  const parameters = checkParameters(paid, request);
  return parameters === null
    ? null
    : {
        code: "invalid_parameter",
        detail: parameters.message,
        parameter: parameters.parameter,
      };
}
