/** Connects the alarm's work with the parts of the ledger's object. */
import type { ChainReader } from "../../../src/chain/port.ts";
import { kindOfWire } from "../../../src/facilitator/payment-kind.ts";
import type { FacilitatorGateway } from "../../../src/facilitator/port.ts";
import type { TenantId } from "../../../src/tenant/tenant-id.ts";
import type { DrainDependencies } from "./drain.ts";
import type { Ledger } from "../ledger.ts";
import { logFailure } from "../log-failure.ts";
import type { PayoutSigning } from "../outgoing/payout-signing.ts";
import { reconcileAfterPayout } from "./reconcile.ts";
import type { SqlStore } from "../store/sql-store.ts";
import type { Waiters } from "../waiters.ts";

export interface LedgerParts {
  readonly tenantId: TenantId;
  readonly ledger: Ledger;
  readonly store: SqlStore;
  readonly waiters: Waiters;
  /** By CAIP-2 network. */
  readonly chains: ReadonlyMap<string, ChainReader>;
  readonly facilitators: FacilitatorGateway;
  readonly payoutSigning: PayoutSigning;
  readonly attemptLeaseMs: number;
}

export function drainDependencies(parts: LedgerParts): DrainDependencies {
  const { ledger, store, waiters, chains, facilitators, payoutSigning } = parts;
  return {
    payment: (paymentId) => ledger.payment(paymentId),
    apply: (paymentId, event, context) => {
      const payment = ledger.apply(paymentId, event, context);
      waiters.notify(paymentId);
      if (payment?.direction === "outgoing" && payment.state === "confirmed") {
        reconcileAfterPayout(store, payment.authorization.asset, context.nowMs);
      }
      return payment;
    },
    due: (nowMs, limit) => store.payments.due(nowMs, limit),
    chainOf: (network) => chains.get(network) ?? null,
    facilitatorIds: ({ paymentId, authorization: { network }, boundFacilitatorId }) =>
      facilitators.candidatesForSettle(
        kindOfWire(store.payments.wireOf(paymentId), network),
        boundFacilitatorId,
        parts.tenantId,
      ).facilitatorIds,
    settle: (facilitatorId, wire, expected) => facilitators.settle(facilitatorId, wire, expected),
    wireOf: (payment) => payoutSigning.wireOf(payment),
    attemptLeaseMs: parts.attemptLeaseMs,
    now: () => Date.now(),
    sleep: (ms) => scheduler.wait(ms),
    random: () => Math.random(),
    onError: (paymentId, error) => logFailure(paymentId, error),
  };
}
