/** Events that only chain and time bring about, applied to a tenant's real ledger, which then starts anew. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import { SqlStore } from "../../durable-objects/settlement-ledger/store/sql-store.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import type { TransferEvidence } from "../../src/settlement/evidence.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import type { TestTenant } from "./control-plane.ts";
import { FAKE_LOG_INDEX } from "./fake-chain.ts";
import { sellCall } from "./settled-payments.ts";

/** Long after every payment of a test has had its time. */
const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

export function evidenceOf(transaction: string, blockNumber = 990n): TransferEvidence {
  return {
    transaction,
    logIndex: FAKE_LOG_INDEX,
    blockNumber,
    blockHash: `0x${"bb".repeat(32)}`,
    blockTimestampMs: Date.now(),
  };
}

export function hash(byte: string): string {
  return `0x${byte.repeat(32)}`;
}

export async function applyEvents(
  { tenantId }: TestTenant,
  paymentId: string,
  events: readonly PaymentEvent[],
): Promise<Payment> {
  const stub = env.SETTLEMENT_LEDGER.getByName(tenantId);
  const payment = await runInDurableObject(stub, (_ledger, { storage }) => {
    const ledger = new Ledger(new SqlStore(storage));
    const context = { nowMs: Date.now() + YEAR_MS, jitter: 0 };
    for (const event of events) ledger.apply(paymentId, event, context);
    return ledger.payment(paymentId);
  });
  // Without regard to calls that keep it in memory: of a test, they come to nothing.
  await abortAllDurableObjects();
  if (payment === null) throw new Error(`no payment ${paymentId}`);
  return payment;
}

/** A call that is paid, and seen on the chain in this transaction. */
export async function confirmedSale(tenant: TestTenant, transaction: string): Promise<string> {
  const paymentId = await sellCall(tenant);
  await applyEvents(tenant, paymentId, [confirmed(transaction)]);
  return paymentId;
}

/** A call that is paid upfront and was never answered. */
export async function undeliveredSale(tenant: TestTenant): Promise<string> {
  const paymentId = await sellCall(tenant, { upfront: true });
  await applyEvents(tenant, paymentId, [{ type: "fulfilment_lapsed" }]);
  return paymentId;
}

export function confirmed(transaction: string): PaymentEvent {
  return {
    type: "confirmation_checked",
    evidence: { found: "confirmed", transfer: evidenceOf(transaction) },
  };
}
