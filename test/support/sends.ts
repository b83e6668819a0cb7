/** Sends of payments whose outcome is open, and what every answer on the way must look like. */
import { decodePaymentResponseHeader } from "@x402/core/http";
import { expect, vi } from "vitest";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { LOCAL_NETWORK } from "../../src/local/local-network.ts";
import { transfersTo } from "./chain-facts.ts";
import { type Answer, send } from "./payer.ts";

/** Status, code and Payment-Status of an answer. */
export type Seen = readonly [status: number, code: string | null, paymentStatus: string];

export const PAID: Seen = [200, null, "settled"];
export const REPLAYED: Seen = [200, null, "replayed"];
export const SUPERSEDED: Seen = [200, null, "superseded"];
export const UNKNOWN: Seen = [503, "settlement_unknown", "unknown"];
export const SUPERSEDED_UNKNOWN: Seen = [503, "settlement_unknown", "superseded"];
export const IN_PROGRESS: Seen = [409, "payment_in_progress", "unknown"];
export const SUPERSEDED_IN_PROGRESS: Seen = [409, "payment_in_progress", "superseded"];
export const NOT_VERIFIED: Seen = [503, "facilitator_unavailable", "not-charged"];

const RETRYABLE = [UNKNOWN, SUPERSEDED_UNKNOWN, IN_PROGRESS, SUPERSEDED_IN_PROGRESS, NOT_VERIFIED];

/** Longer than any row's retries take: two settle timeouts and the pauses around them. */
const DECIDED_WITHIN_MS = 60_000;
const RESEND_INTERVAL_MS = 150;

export function seen({ status, code, paymentStatus }: Answer): Seen {
  return [status, code, paymentStatus ?? ""];
}

/** What an answer that is not the last one owes its client: to say when to come back. */
export function expectRetryable(answer: Answer): void {
  expect(RETRYABLE).toContainEqual(seen(answer));
  expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
}

/** One of these; and when it is not the goods, it says when to come back. */
export function expectSeen(answer: Answer, allowed: readonly Seen[]): void {
  expect(allowed).toContainEqual(seen(answer));
  if (answer.status !== 200) expectRetryable(answer);
}

/** Resends one header until the answer is final; whatever comes before has to be retryable, never a 402. */
export function sendUntilDecided(url: string, header: string): Promise<Answer> {
  return vi.waitFor(
    async () => {
      const answer = await send(url, header);
      const isFinal = !RETRYABLE.some((each) => each.join() === seen(answer).join());
      if (!isFinal) expectRetryable(answer);
      expect(isFinal).toBe(true);
      return answer;
    },
    { timeout: DECIDED_WITHIN_MS, interval: RESEND_INTERVAL_MS },
  );
}

/** The settlement that PAYMENT-RESPONSE reports; null when there is none. */
export function settlementOf({ headers }: Answer) {
  const header = headers.get("PAYMENT-RESPONSE");
  return header === null ? null : decodePaymentResponseHeader(header);
}

/** The goods come with the proof of a transfer that is on the chain. */
export async function expectProof(
  answer: Answer,
  chain: ChainTestClient,
  payTo: string,
): Promise<void> {
  const transactions = (await transfersTo(chain, payTo)).map(({ transaction }) => transaction);
  const settlement = settlementOf(answer);
  expect(settlement).toMatchObject({ success: true, network: LOCAL_NETWORK });
  expect(transactions).toContain(settlement?.transaction);
  expect(answer.headers.get("Cache-Control")).toBe("private");
}
