/** Payouts as the ledger takes them: a payment with us as the payer, reserved from confirmed credit. */
import { awaitsFulfilment } from "../../src/settlement/fulfilment.ts";
import { postingFor } from "../../src/settlement/journal.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import type { MemoryStore } from "../support/memory-store.ts";
import { stagedPayment } from "../support/payments.ts";
import { identityOf } from "./chain-model.ts";
import { wireOf } from "./ledger-host.ts";

/** Short enough for some to expire. */
const PAYOUT_VALID_MS = 300_000;

/**
 * Reserves a share of what is available and makes the payout due; does nothing when nothing is available.
 * @param share of what is available, in [0, 1)
 */
export function requestPayout(
  store: MemoryStore,
  index: number,
  share: number,
  nowMs: number,
): void {
  const availableAtomic = available(store);
  const amountAtomic = (availableAtomic * BigInt(Math.ceil(share * 100))) / 100n;
  if (amountAtomic <= 0n) return;
  const authorization: Authorization = {
    network: "eip155:84532",
    asset: "0xusdc",
    payer: "0xdeposit",
    payee: "0xwallet",
    amountAtomic,
    nonce: `0xpayout${index}`,
    validAfterMs: 0,
    validBeforeMs: nowMs + PAYOUT_VALID_MS,
  };
  const payout = stagedPayment({
    paymentId: `out_${index}`,
    direction: "outgoing",
    identity: identityOf(authorization),
    payloadDigest: `out_${index}`,
    requestFingerprint: `out_${index}`,
    authorization,
    feeAtomic: 0n,
    response: "none",
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
