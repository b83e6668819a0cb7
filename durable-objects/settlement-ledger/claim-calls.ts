/**
 * What the ledger's callers are told about a payment: a resend is held while another send of it is worked on, and a
 * payer who has signed in needs no payment header.
 */
import type {
  ClaimReply,
  ClaimRequest,
  PaidAnswerReply,
  PaidAnswerRequest,
} from "../../src/contracts/ledger.ts";
import type { PaymentStatus } from "../../src/contracts/tenant-api.ts";
import { decideSignedIn } from "../../src/settlement/claim.ts";
import type { Ledger } from "./ledger.ts";
import { claimReply, claimedStatus, paymentStatus } from "./replies.ts";
import type { SignIns } from "./sign-ins.ts";
import type { Waiters } from "./waiters.ts";

/** How long a resend is held while its payment is being worked on, before it is told to come back. */
const CLAIM_WAIT_MAX_MS = 5_000;

export interface ClaimDependencies {
  readonly ledger: Ledger;
  readonly signIns: Pick<SignIns, "isUsable" | "use" | "newestAnswer">;
  readonly waiters: Waiters;
  readonly newPaymentId: () => string;
  readonly now: () => number;
}

/** Asks for the right to work on a payment; a resend waits here for the answer of the first send. */
export async function claimPayment(
  request: ClaimRequest,
  { ledger, signIns, waiters, newPaymentId, now }: ClaimDependencies,
): Promise<ClaimReply> {
  const deadlineMs = now() + CLAIM_WAIT_MAX_MS;
  const signIn = request.signIn ?? null;
  for (;;) {
    const nowMs = now();
    const isSignedIn = signIn !== null && signIns.isUsable(signIn, nowMs);
    const signedInAs = isSignedIn ? signIn.address : null;
    const decision = ledger.claim({ ...request, signedInAs }, newPaymentId(), nowMs);
    if (decision.decision !== "in_progress" || nowMs >= deadlineMs || waiters.isFull) {
      const isAnswer = decision.decision === "replay" || decision.decision === "fulfil";
      if (isSignedIn && isAnswer) signIns.use(signIn, nowMs);
      return claimReply(decision, (paymentId) => ledger.responseOf(paymentId));
    }
    await waiters.wait(decision.paymentId, deadlineMs - nowMs);
  }
}

/** The answer that whoever has signed in has paid for. */
export function paidAnswer(
  { requestFingerprint, signIn }: PaidAnswerRequest,
  { ledger, signIns, now }: Pick<ClaimDependencies, "ledger" | "signIns" | "now">,
): PaidAnswerReply {
  const nowMs = now();
  if (!signIns.isUsable(signIn, nowMs)) return { result: "sign_in_used" };
  const settledId = signIns.newestAnswer(signIn.address, requestFingerprint);
  const decision = decideSignedIn(
    ledger.latestUnanswered(signIn.address, requestFingerprint),
    settledId === null ? null : ledger.payment(settledId),
  );
  if (decision === null) return { result: "nothing_paid" };
  const reply = claimReply(decision, (paymentId) => ledger.responseOf(paymentId));
  switch (reply.result) {
    case "replay":
      signIns.use(signIn, nowMs);
      return reply;
    case "in_progress":
    case "unknown":
      return reply;
    default:
      throw new Error(`a sign-in was answered ${reply.result}`);
  }
}

/** What anyone who has the id of an incoming payment may know; null when there is none of that id. */
export function statusOf(
  paymentId: string,
  { ledger, now }: Pick<ClaimDependencies, "ledger" | "now">,
): PaymentStatus | null {
  const payment = ledger.payment(paymentId);
  if (payment?.direction === "incoming") return paymentStatus(payment);
  return ledger.isClaimed(paymentId, now()) ? claimedStatus(paymentId) : null;
}
