/** What must hold of a ledger's books at any moment. */
import { type Payment, isFailed, isSettled } from "../../src/settlement/payment.ts";
import type { MemoryStore } from "../support/memory-store.ts";

export function bookViolations({ journal, rows }: MemoryStore): string[] {
  const balance = (account: Parameters<typeof journal.balance>[1]) =>
    journal.balance("0xusdc", account);
  const violations: string[] = [];
  const owed = balance("payable") + balance("fees") + balance("in_flight") + balance("credits");
  if (balance("deposit") + owed !== 0n) violations.push("6: the journal does not sum to zero");
  let settled = 0n;
  let undelivered = 0n;
  const refunded = new Set<string>();
  for (const payment of rows.values()) {
    const { refundOf } = payment;
    if (refundOf !== null && !isFailed(payment)) {
      if (refunded.has(refundOf.id)) violations.push(`6: ${refundOf.id} is refunded twice`);
      refunded.add(refundOf.id);
      undelivered -= payment.authorization.amountAtomic;
    }
    if (!isSettled(payment)) continue;
    settled += movedBy(payment);
    if (payment.fulfilment?.state === "undelivered") undelivered += movedBy(payment);
  }
  if (balance("deposit") !== settled) {
    violations.push("2: the deposit account is not the sum of settled payments and payouts");
  }
  if (balance("credits") !== -undelivered) {
    violations.push(
      "6: the credits are not the sum of what was paid, not delivered and not refunded",
    );
  }
  if (balance("payable") > 0n) violations.push("6: more was paid out than was owed");
  return violations;
}

/** What a settled payment changes the deposit account by, atomic units. */
export function movedBy({ direction, authorization }: Payment): bigint {
  return direction === "incoming" ? authorization.amountAtomic : -authorization.amountAtomic;
}

/** @param keepsAll whether no response has reached the end of its retention */
export function lacksAnswer(store: MemoryStore, payment: Payment, keepsAll: boolean): boolean {
  if (payment.response === "none") return false;
  if (payment.response === "removed") return keepsAll;
  return store.responses.get(payment.paymentId) === null;
}
