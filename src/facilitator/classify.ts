/**
 * What a facilitator's reply means, for the payment and for the facilitator's health. Pure: each rule is a row of a
 * table (`reasons.ts`, `reason-codes.ts`), and whatever no rule knows comes out as the class that proves nothing.
 */
import * as z from "zod";
import { fromBase58 } from "../payment/base58.ts";
import { SOLANA_NAMESPACE, caip2OfV1Name, namespaceOf } from "../payment/networks.ts";
import type { SettleOutcome, VerifyOutcome } from "../settlement/outcome.ts";
import type { HealthSignal } from "./health-signal.ts";
import type { ExpectedTransfer } from "./port.ts";
import { normalizeReason } from "./reason-codes.ts";
import { REASON_RULES, type Reason } from "./reasons.ts";
import type { FacilitatorReply } from "./reply.ts";

export interface VerifyReading {
  readonly outcome: VerifyOutcome;
  readonly health: HealthSignal;
  /** Whether another facilitator should be asked before the payer is told. */
  readonly doubtful: boolean;
}

export interface SettleReading {
  readonly outcome: SettleOutcome;
  readonly health: HealthSignal;
}

type Answer = Extract<FacilitatorReply, { kind: "answered" }>;

const textSchema = z.string().nullish();
/** For fields the specification does not have: whatever else facilitators put there is not ours to judge. */
const looseTextSchema = z.string().optional().catch(undefined);

const verifyBodySchema = z.object({
  isValid: z.boolean(),
  invalidReason: textSchema,
  payer: textSchema,
});

const settleBodySchema = z.object({
  success: z.boolean().nullish(),
  errorReason: textSchema,
  transaction: textSchema,
  network: textSchema,
  payer: textSchema,
  amount: z.union([z.string(), z.number().transform(String)]).nullish(),
  /** How far facilitators that answer early say they are. */
  status: looseTextSchema,
  waitUntil: looseTextSchema,
});
type SettleBody = z.infer<typeof settleBodySchema>;

/** Where facilitators put the code of an error that is neither a verify nor a settle response. */
const errorBodySchema = z
  .object({
    errorReason: looseTextSchema,
    errorType: looseTextSchema,
    code: looseTextSchema,
    error: looseTextSchema,
  })
  .catch({});

/** States in which a facilitator answers before the transfer is on the chain. */
const UNFINISHED: ReadonlySet<string> = new Set(["pending", "submitted", "simulated"]);

const HTTP_ACCEPTED = 202;

/** Statuses given before a request is worked on: by gateways, authentication, routing and rate limits. */
const REASON_OF_STATUS: ReadonlyMap<number, Reason> = new Map([
  [401, "unauthorized"],
  [403, "unauthorized"],
  [404, "endpoint_missing"],
  [405, "endpoint_missing"],
  [410, "endpoint_missing"],
  [413, "request_rejected"],
  [415, "request_rejected"],
  [429, "rate_limited"],
]);

/** An EVM transaction hash; all zeros is what some send for "none". */
const TRANSACTION_HASH_PATTERN = /^0x(?!0{64}$)[0-9a-f]{64}$/;
/** On Solana a transaction is known by its first signature. */
const SIGNATURE_BYTES = 64;

/** @param claimedPayer address the payment names as payer, lower-case hex; null when its scheme names none */
export function classifyVerify(
  reply: FacilitatorReply,
  claimedPayer: string | null,
): VerifyReading {
  if (reply.kind === "unanswered") return verifyFailure(reasonOfSilence(reply), null);
  const parsed = verifyBodySchema.safeParse(reply.body);
  if (!parsed.success || reply.status >= 500) {
    return verifyFailure(reasonOfError(reply), reply.retryAfterMs);
  }
  const { isValid, invalidReason } = parsed.data;
  if (!isValid) return verifyFailure(normalizeReason(invalidReason ?? ""), reply.retryAfterMs);
  const payer = parsed.data.payer?.toLowerCase() ?? claimedPayer;
  const isPayer = payer !== null && (claimedPayer === null || payer === claimedPayer);
  return isPayer && isSuccess(reply)
    ? { outcome: { class: "valid", payer }, health: "healthy", doubtful: false }
    : verifyFailure("malformed_reply", null);
}

function verifyFailure(reason: Reason, retryAfterMs: number | null): VerifyReading {
  const { verify, health } = REASON_RULES[reason];
  return verify === "unavailable"
    ? { outcome: { class: "unavailable", reason, retryAfterMs }, health, doubtful: false }
    : { outcome: { class: "invalid", reason }, health, doubtful: verify === "doubtful" };
}

/** `settled` and `refused` need proof; `unavailable` has to be certain that nothing was processed. */
export function classifySettle(reply: FacilitatorReply, expected: ExpectedTransfer): SettleReading {
  if (reply.kind === "unanswered") return ambiguous(reasonOfSilence(reply), null);
  const parsed = settleBodySchema.safeParse(reply.body);
  if (!parsed.success) return unshapedSettle(reply);
  const body = parsed.data;
  const transaction = transactionId(body.transaction ?? "", expected.network);
  if (isUnfinished(reply, body)) return pending(transaction);
  if (body.success === true) {
    return transaction !== null && isSuccess(reply) && isExpected(body, expected)
      ? { outcome: { class: "settled", transaction }, health: "healthy" }
      : ambiguous("settlement_mismatch", transaction);
  }
  if (body.transaction) return broadcastFailure(body, transaction);
  return body.success === false ? failedSettle(reply, body) : unshapedSettle(reply);
}

function isUnfinished(reply: Answer, body: SettleBody): boolean {
  return (
    reply.status === HTTP_ACCEPTED ||
    normalizeReason(body.errorReason ?? "") === "settlement_pending" ||
    UNFINISHED.has(body.status ?? "") ||
    UNFINISHED.has(body.waitUntil ?? "")
  );
}

/** The network must be named, in either spelling; payer and amount may be left out, but not be others. */
function isExpected(body: SettleBody, expected: ExpectedTransfer): boolean {
  const network = body.network ?? "";
  return (
    (caip2OfV1Name(network) ?? network) === expected.network &&
    (body.payer ?? expected.payer).toLowerCase() === expected.payer.toLowerCase() &&
    (body.amount ?? expected.amountAtomic.toString()) === expected.amountAtomic.toString()
  );
}

/** It was broadcast and did not succeed. The facilitator did its work; what came of it only the chain knows. */
function broadcastFailure(body: SettleBody, transaction: string | null): SettleReading {
  const reason = normalizeReason(body.errorReason ?? "");
  return { ...ambiguous(reason, transaction), health: "neutral" };
}

/** `success: false` with nothing broadcast, it says. Only a reason that is checked beforehand proves it. */
function failedSettle(reply: Answer, body: SettleBody): SettleReading {
  const reason = normalizeReason(body.errorReason ?? "");
  if (reason === "unrecognized_reason") return { ...ambiguous(reason, null), health: "malformed" };
  const { settle, health } = REASON_RULES[reason];
  if (isServerError(reply)) return ambiguous(reason, null);
  switch (settle) {
    case "refused":
      return { outcome: { class: "refused", reason }, health };
    case "unavailable":
      return unavailable(reason, reply.retryAfterMs);
    case "pending":
      return pending(null);
    case "ambiguous":
      return ambiguous(reason, null);
    default:
      return settle satisfies never;
  }
}

/** Not a settle response: it never proves a refusal, but some statuses and codes prove that nothing was processed. */
function unshapedSettle(reply: Answer): SettleReading {
  const reason = reasonOfError(reply);
  return REASON_RULES[reason].settle === "unavailable" && !isServerError(reply)
    ? unavailable(reason, reply.retryAfterMs)
    : ambiguous(reason, null);
}

function pending(transaction: string | null): SettleReading {
  return { outcome: { class: "pending", transaction }, health: "healthy" };
}

function unavailable(reason: Reason, retryAfterMs: number | null): SettleReading {
  const { health } = REASON_RULES[reason];
  return { outcome: { class: "unavailable", reason, retryAfterMs }, health };
}

function ambiguous(reason: Reason, transaction: string | null): SettleReading {
  const { health } = REASON_RULES[reason];
  return { outcome: { class: "ambiguous", reason, transaction }, health };
}

function reasonOfSilence({ failure }: Exclude<FacilitatorReply, Answer>): Reason {
  return failure === "timeout" ? "facilitator_timeout" : "facilitator_unreachable";
}

/** Why an answer outside the protocol was given: by its code when the table knows it, else by its status. */
function reasonOfError(reply: Answer): Reason {
  const known = Object.values(errorBodySchema.parse(reply.body))
    .map((code) => normalizeReason(code ?? ""))
    .find((reason) => reason !== "unrecognized_reason");
  const byStatus = known ?? REASON_OF_STATUS.get(reply.status);
  if (byStatus !== undefined) return byStatus;
  if (isServerError(reply)) return "facilitator_error";
  return reply.status >= 400 ? "unexplained_rejection" : "malformed_reply";
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function isServerError({ status }: Answer): boolean {
  return status >= 500;
}

/** In its one spelling; null when it is none of that network. */
function transactionId(text: string, network: string): string | null {
  if (namespaceOf(network) === SOLANA_NAMESPACE) {
    return fromBase58(text, SIGNATURE_BYTES) === null ? null : text;
  }
  const hash = text.toLowerCase();
  return TRANSACTION_HASH_PATTERN.test(hash) ? hash : null;
}
