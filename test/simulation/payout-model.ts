/** Payouts and refunds as the ledger takes them: payments with us as the payer, reserved from what is owed. */
import { awaitsFulfilment } from "../../src/settlement/fulfilment.ts";
import { postingFor } from "../../src/settlement/journal.ts";
import type { Payment, RefundSource } from "../../src/settlement/payment.ts";
import { earlierRefund } from "../../src/settlement/refund.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import type { MemoryStore } from "../support/memory-store.ts";
import { stagedPayment } from "../support/payments.ts";
import { identityOf } from "./chain-model.ts";
import { wireOf } from "./ledger-host.ts";

/** Short enough for some to expire. */
const PAYOUT_VALID_MS = 300_000;

/**
 * Gives back what is owed to a payer, if anything is; else pays out a share of what is available, if anything is.
 * @param share of what is available, in [0, 1)
 */
export function requestOutgoing(
  store: MemoryStore,
  index: number,
  share: number,
  nowMs: number,
): void {
  const owed = [...store.rows.values()].find((payment) => isRefundable(store, payment));
  if (owed !== undefined) {
    const { payer, amountAtomic } = owed.authorization;
    const refundOf = { kind: "payment", id: owed.paymentId } as const;
    send(store, { id: `ref_${index}`, payee: payer, amountAtomic, refundOf }, nowMs);
    return;
  }
  const availableAtomic = available(store);
  const amountAtomic = (availableAtomic * BigInt(Math.ceil(share * 100))) / 100n;
  if (amountAtomic <= 0n) return;
  send(store, { id: `out_${index}`, payee: "0xwallet", amountAtomic, refundOf: null }, nowMs);
}

interface Outgoing {
  readonly id: string;
  readonly payee: string;
  readonly amountAtomic: bigint;
  readonly refundOf: RefundSource | null;
}

function send(store: MemoryStore, { id, payee, amountAtomic, refundOf }: Outgoing, nowMs: number) {
  const authorization: Authorization = {
    network: "eip155:84532",
    asset: "0xusdc",
    payer: "0xdeposit",
    payee,
    amountAtomic,
    // Of its own for every refund: what keeps two of one payment from landing is the ledger alone here.
    nonce: `0x${id}`,
    validAfterMs: 0,
    validBeforeMs: nowMs + PAYOUT_VALID_MS,
  };
  const payout = stagedPayment({
    paymentId: id,
    direction: "outgoing",
    identity: identityOf(authorization),
    payloadDigest: id,
    requestFingerprint: id,
    authorization,
    feeAtomic: 0n,
    response: "none",
    refundOf,
    resignGuard: false,
    claimedAtMs: nowMs,
    dueAtMs: nowMs,
  });
  store.transaction(() => {
    const request = { routePath: "/v1/payouts", method: "POST", url: "/v1/payouts" };
    store.payments.insert(payout, request, wireOf(authorization));
    store.journal.append(postingFor("payout_reserved", payout), nowMs);
    store.wakeAt(nowMs);
  });
}

/** Confirmed, not delivered, and no earlier refund of it stands or may still land. */
function isRefundable(store: MemoryStore, payment: Payment): boolean {
  if (payment.state !== "confirmed" || payment.fulfilment?.state !== "undelivered") return false;
  return [...store.rows.values()].every(
    (refund) => refund.refundOf?.id !== payment.paymentId || earlierRefund(refund) === "ruled_out",
  );
}

/** Payable less what is not confirmed on the chain, or paid upfront and not delivered yet. */
function available(store: MemoryStore): bigint {
  let unconfirmed = 0n;
  for (const payment of store.rows.values()) {
    const { state, direction, authorization, feeAtomic } = payment;
    const isSure = state !== "settled" && !awaitsFulfilment(payment);
    const isCredit = payment.fulfilment?.state === "undelivered";
    if (isSure || isCredit || direction !== "incoming") continue;
    unconfirmed += authorization.amountAtomic - feeAtomic;
  }
  return -store.journal.balance("0xusdc", "payable") - unconfirmed;
}
