import type {
  AuthorizationEvidence,
  ConfirmationEvidence,
} from "../../../src/settlement/evidence.ts";
import type { PaymentEvent } from "../../../src/settlement/event.ts";
import type { Payment } from "../../../src/settlement/payment.ts";
import type { LedgerStore } from "./store.ts";

/** A log that already proves another payment, or that is being given back, proves nothing here. */
export function checkedEvidence(
  { payments, deposits }: Pick<LedgerStore, "payments" | "deposits">,
  payment: Payment,
  event: PaymentEvent,
): PaymentEvent {
  const evidence: AuthorizationEvidence | ConfirmationEvidence | null =
    event.type === "chain_checked" || event.type === "confirmation_checked" ? event.evidence : null;
  if (evidence === null || !("transfer" in evidence)) return event;
  const { network } = payment.authorization;
  const owner = payments.paymentProvedBy(network, evidence.transfer);
  const isFree = owner === null && !deposits.isGivenBack(network, evidence.transfer);
  if (isFree || owner === payment.paymentId) return event;
  return event.type === "chain_checked"
    ? {
        type: "chain_checked",
        evidence: { found: "used_otherwise", transaction: evidence.transfer.transaction },
      }
    : { type: "confirmation_checked", evidence: { found: "missing" } };
}
