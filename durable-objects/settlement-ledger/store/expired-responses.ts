import { isFailed, isSettled } from "../../../src/settlement/payment.ts";
import type { ExpiredObject, LedgerStore } from "./store.ts";

/** A stored response is kept at least until nobody can be charged for it any more. */
const RESPONSE_KEPT_AGAIN_MS = 3_600_000;

/** An object that could not be deleted is tried again after this time. */
const OBJECT_DELETE_AGAIN_MS = 60_000;

/**
 * Removes responses whose retention has ended, at most `limit`. A payment that may still land keeps its response: its
 * payer has not been able to fetch it yet.
 * @param onRemoved is told of each payment, within the transaction that takes its response away
 * @returns bodies that lie outside, for the caller to delete and then to forget; until it does, they come up again
 */
export function removeExpiredResponses(
  store: LedgerStore,
  limit: number,
  nowMs: number,
  onRemoved: (paymentId: string) => void,
): ExpiredObject[] {
  const { payments, responses } = store;
  const objects: ExpiredObject[] = [];
  for (const { paymentId, objectKey } of responses.expired(nowMs, limit)) {
    store.transaction(() => {
      const payment = payments.byId(paymentId);
      if (payment !== null && !isSettled(payment) && !isFailed(payment)) {
        responses.extend(paymentId, nowMs + RESPONSE_KEPT_AGAIN_MS);
        return;
      }
      onRemoved(paymentId);
      if (objectKey === null) {
        responses.remove(paymentId);
        return;
      }
      responses.extend(paymentId, nowMs + OBJECT_DELETE_AGAIN_MS);
      objects.push({ paymentId, objectKey });
    });
  }
  return objects;
}
