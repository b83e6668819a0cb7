/** What is worked out about a paid call before the ledger is asked: who pays, for what, and whether it would be taken. */
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { PlatformConfig } from "../config.ts";
import { type FacilitatorGateway, facilitatorGateway } from "../facilitator/gateway.ts";
import type { DecodedPayment } from "../payment/decode-payment.ts";
import { sha256Hex } from "../payment/hash.ts";
import { eip3009Identity } from "../payment/identity.ts";
import { readQuote } from "../payment/quote-token.ts";
import { amountDue, refuseTerms } from "../payment/terms.ts";
import type { ReplayProofs } from "../settlement/payment.ts";
import { isSignedByPayer } from "./check-signature.ts";
import { type PaidRoute, checkParameters } from "./paid-route.ts";

export interface PaidCall {
  readonly env: Env;
  readonly execution: Pick<ExecutionContext, "waitUntil">;
  readonly config: PlatformConfig;
  readonly paid: PaidRoute;
  readonly request: Request;
  readonly payment: DecodedPayment;
}

/** A paid call with all that was worked out about it before the ledger is asked. */
export interface IdentifiedCall extends PaidCall {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly proofs: ReplayProofs;
  readonly signatureProved: boolean;
  /** Why it would be refused if it were new; null when it would be taken. */
  readonly refusal: Refusal | null;
  /** What it has to pay: its quote's price, or today's. Atomic units. */
  readonly amountAtomic: bigint;
  readonly ledger: LedgerClient;
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

export async function identify(
  call: PaidCall,
  body: Uint8Array<ArrayBuffer>,
): Promise<IdentifiedCall> {
  const { env, execution, config, paid, payment, request } = call;
  const { tenantId } = paid.snapshot;
  const asset = paid.offer.network.asset.address;
  const identity = eip3009Identity(payment.network, asset, payment.from, payment.nonce);
  const token = payment.accepted?.quote ?? null;
  const idempotencyKey = request.headers.get("Idempotency-Key");
  const [payloadDigest, requestFingerprint, quote, quoteHash, idempotencyKeyHash] =
    await Promise.all([
      sha256Hex(JSON.stringify([identity, payment.signature, payment.to, String(payment.value)])),
      fingerprint(request.method, tenantId, paid.target, body),
      token === null
        ? null
        : readQuote(token, config.quoteSecret).then((terms) => terms ?? ("invalid" as const)),
      token === null ? null : sha256Hex(token),
      idempotencyKey === null || idempotencyKey.length < IDEMPOTENCY_KEY_LENGTH_MIN
        ? null
        : sha256Hex(idempotencyKey),
    ]);
  const context = {
    tenantId,
    route: paid.route.path,
    offer: paid.offer,
    quote,
    nowMs: Date.now(),
  };
  return {
    ...call,
    body,
    identity,
    payloadDigest,
    requestFingerprint,
    proofs: {
      quoteHash: quote === "invalid" ? null : quoteHash,
      identifierHash: null,
      idempotencyKeyHash,
    },
    signatureProved: await isSignedByPayer(payment, payloadDigest, paid.offer),
    refusal: refuse(call, refuseTerms(payment, context)),
    amountAtomic: amountDue(context),
    ledger: ledgerOf(env, tenantId),
    facilitators: facilitatorGateway(env, execution),
  };
}

async function fingerprint(
  method: string,
  tenantId: string,
  target: string,
  body: Uint8Array,
): Promise<string> {
  return sha256Hex(JSON.stringify([method, tenantId, target, await sha256Hex(body)]));
}

function refuse({ paid, request }: PaidCall, termsRefusal: string | null): Refusal | null {
  if (termsRefusal !== null) {
    return { code: termsRefusal, detail: `The payment does not fit this route: ${termsRefusal}.` };
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
