/** What an operator does to one payment. The chain is asked first; only without its word does the operator's count. */
import type { ChainReader } from "../../src/chain/port.ts";
import type {
  AdminPayment,
  ResolveReply,
  ResolveRequest,
  RetryReply,
} from "../../src/contracts/admin-payments.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import type { AuthorizationEvidence } from "../../src/settlement/evidence.ts";
import { resolutionRefusal } from "../../src/settlement/operator.ts";
import type { Payment } from "../../src/settlement/payment.ts";

export interface OperatorDependencies {
  payment(paymentId: string): Payment | null;
  apply(paymentId: string, event: PaymentEvent): Payment | null;
  chainOf(network: string): ChainReader | null;
  readonly view: (paymentId: string) => AdminPayment | null;
}

/** Makes a payment due now, also when it was parked. */
export function retryPayment(paymentId: string, deps: OperatorDependencies): RetryReply {
  const before = deps.payment(paymentId);
  if (before === null) return { result: "not_found" };
  if (before.state === "confirmed") return { result: "decided" };
  deps.apply(paymentId, { type: "retried" });
  return { result: "accepted", payment: viewOf(paymentId, deps) };
}

/**
 * Brings a payment to its end: by what the chain proves, whatever the operator believes, or else by the operator's
 * word, which posts nothing.
 */
export async function resolvePayment(
  paymentId: string,
  { resolution, transaction }: ResolveRequest,
  deps: OperatorDependencies,
): Promise<ResolveReply> {
  const before = deps.payment(paymentId);
  if (before === null) return { result: "not_found" };
  const refusal = resolutionRefusal(before, resolution);
  if (refusal === "decided" || refusal === "in_flight") return { result: refusal };
  const evidence = await findProof(before, transaction, deps.chainOf(before.authorization.network));
  // Nothing awaits from here on: what was learnt, or the payment as it is now, decides.
  if (evidence !== null) {
    deps.apply(paymentId, { type: "chain_checked", evidence });
    return { result: "proven", payment: viewOf(paymentId, deps) };
  }
  const current = deps.payment(paymentId) ?? before;
  const stillRefused = resolutionRefusal(current, resolution);
  if (stillRefused !== null) return { result: stillRefused };
  deps.apply(paymentId, { type: "operator_resolved", resolution });
  return { result: "operator_unproven", payment: viewOf(paymentId, deps) };
}

/** What the chain says for good about the authorization; null when it says nothing, or that it may still land. */
async function findProof(
  { authorization, claimedAtMs }: Payment,
  transaction: string | null,
  chain: ChainReader | null,
): Promise<AuthorizationEvidence | null> {
  if (chain === null) return null;
  if (transaction !== null) {
    const named = await chain.confirmTransfer(authorization, transaction, claimedAtMs);
    if (named.found === "confirmed") return { found: "transfer", transfer: named.transfer };
  }
  const evidence = await chain.findAuthorization(authorization, claimedAtMs);
  switch (evidence.found) {
    case "transfer":
    case "canceled":
    case "expired":
      return evidence;
    case "used_otherwise":
    case "unused":
    case "unavailable":
      return null;
    default:
      return evidence satisfies never;
  }
}

function viewOf(paymentId: string, { view }: OperatorDependencies): AdminPayment {
  const payment = view(paymentId);
  if (payment === null) throw new Error(`payment ${paymentId} is gone`);
  return payment;
}
