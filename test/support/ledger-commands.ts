/** Random commands to a ledger, each one a function that can be run on any ledger and says what came of it. */
import type { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import type { ClaimGrant } from "../../src/contracts/ledger.ts";
import type { AuthorizationEvidence, TransferEvidence } from "../../src/settlement/evidence.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import type { Random } from "../simulation/random.ts";
import { stagedPayment } from "./payments.ts";

export const NONCES = ["0x01", "0x02", "0x03", "0x04", "0x05", "0x06", "0x07", "0x08"] as const;
export const PAYERS = ["0xpayer1", "0xpayer2"] as const;
export const REQUESTS = ["request1", "request2", "request3"] as const;
const FACILITATORS = ["primary", "fallback"] as const;
/** Few logs for many payments, so that one is found for several. */
export const LOGS = ["0xa1", "0xa2", "0xa3", "0xa4"] as const;
/** Around the size of a chunk, 1 MiB, and several chunks. */
const LARGE_BODY_BYTES = [1_048_575, 1_048_576, 1_048_577, 2_500_000] as const;
/** Later than any test runs: alarms set for these times do not fire under it. */
const START_MS = 2_000_000_000_000;
const LEASE_MS = 25_000;
const RETENTION_MS = 600_000;

export interface Command {
  readonly name: string;
  /** Milliseconds. */
  readonly nowMs: number;
  readonly run: (ledger: Ledger) => unknown;
}

export function identityOf(nonce: string): string {
  return `eip3009:eip155:84532:0xasset:${nonce}`;
}

/** Makes commands one after another; what it knows of payments it learns from their results. */
export class CommandSource {
  readonly #random: Random;
  #nowMs = START_MS;
  #commands = 0;
  readonly #grants: { readonly nonce: string; readonly grant: ClaimGrant }[] = [];
  /** Ids that were given out. */
  readonly paymentIds = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Command {
    const random = this.#random;
    this.#commands += 1;
    this.#nowMs += random.chance(0.05) ? random.between(0, 900_000) : random.between(0, 9_000);
    const nowMs = this.#nowMs;
    const [name, run] = this.#pick(random.next());
    return { name, nowMs, run };
  }

  /** Takes note of a claim that was granted. */
  learn(result: unknown): void {
    const granted = result as {
      decision?: string;
      claim?: ClaimGrant & { readonly identity: string };
    };
    if (granted?.decision !== "grant" || granted.claim === undefined) return;
    const { paymentId, fence, leaseExpiresAtMs, identity } = granted.claim;
    const nonce = NONCES.find((each) => identityOf(each) === identity) ?? NONCES[0];
    this.paymentIds.add(paymentId);
    this.#grants.push({ nonce, grant: { paymentId, fence, leaseExpiresAtMs } });
  }

  #pick(share: number): [string, Command["run"]] {
    if (share < 0.25) return this.#claim();
    if (share < 0.28) return this.#release();
    if (share < 0.45) return this.#stage();
    if (share < 0.65) return this.#finishAttempt();
    if (share < 0.92) return this.#apply();
    if (share < 0.96) return this.#answered();
    return this.#sweep();
  }

  #claim(): [string, Command["run"]] {
    const random = this.#random;
    const nowMs = this.#nowMs;
    const index = random.between(0, NONCES.length - 1);
    const nonce = NONCES[index] ?? NONCES[0];
    const command = {
      identity: identityOf(nonce),
      payloadDigest: random.chance(0.05) ? "another digest" : `digest ${nonce}`,
      requestFingerprint: REQUESTS[index % REQUESTS.length] ?? REQUESTS[0],
      payer: PAYERS[index % PAYERS.length] ?? PAYERS[0],
      proofs: { quoteHash: `quote ${nonce}`, identifierHash: null, idempotencyKeyHash: null },
      refusal: random.chance(0.05) ? "expired" : null,
      validBeforeMs: nowMs - random.between(0, 7_200_000),
      signatureProved: random.chance(0.7),
      resignGuard: random.chance(0.8),
      replayGraceMs: 0,
    };
    const paymentId = `pay_${String(this.#commands).padStart(4, "0")}`;
    return [`claim ${nonce}`, (ledger) => ledger.claim(command, paymentId, nowMs)];
  }

  #release(): [string, Command["run"]] {
    const held = this.#grants[this.#random.between(0, this.#grants.length - 1)];
    if (held === undefined) return this.#claim();
    const { paymentId, fence } = held.grant;
    return [
      `release ${paymentId}`,
      (ledger) => ledger.release(identityOf(held.nonce), paymentId, fence),
    ];
  }

  #stage(): [string, Command["run"]] {
    const random = this.#random;
    const held = this.#grants[this.#random.between(0, this.#grants.length - 1)];
    if (held === undefined) return this.#claim();
    const context = this.#context();
    const size = random.chance(0.02)
      ? random.pick(LARGE_BODY_BYTES)
      : random.between(0, random.pick([0, 1, 300]));
    const index = NONCES.findIndex((nonce) => nonce === held.nonce);
    const command = {
      grant: held.grant,
      identity: identityOf(held.nonce),
      authorization: {
        ...stagedPayment().authorization,
        payer: PAYERS[index % PAYERS.length] ?? PAYERS[0],
        nonce: held.nonce,
        amountAtomic: 2n ** 70n + BigInt(index),
        validBeforeMs: context.nowMs + random.between(0, 300_000),
      },
      wire: { x402Version: 2, paymentPayload: { nonce: held.nonce }, paymentRequirements: {} },
      route: { path: "/r", method: "GET", url: "/r" },
      response: {
        status: 200,
        headers: [{ name: "x-size", value: String(size) }],
        body: new Uint8Array(size).fill(random.between(0, 255)),
      },
      facilitatorId: random.pick(FACILITATORS),
      boundFacilitatorId: random.chance(0.1) ? random.pick(FACILITATORS) : null,
      attemptLeaseMs: LEASE_MS,
      feeAtomic: 7n,
      retentionMs: RETENTION_MS,
    } as const;
    return [
      `stage ${held.grant.paymentId} of ${size} bytes`,
      (ledger) => ledger.stage(command, context),
    ];
  }

  #finishAttempt(): [string, Command["run"]] {
    const random = this.#random;
    const context = this.#context();
    const paymentId = this.#paymentId();
    const attempt = random.between(1, 3);
    const outcome = this.#outcome();
    const next = { facilitatorIds: random.chance(0.5) ? FACILITATORS : [], leaseMs: LEASE_MS };
    return [
      `${outcome.class} of attempt ${attempt} on ${paymentId}`,
      (ledger) => ledger.finishAttempt(paymentId, attempt, outcome, next, context),
    ];
  }

  #apply(): [string, Command["run"]] {
    const context = this.#context();
    const paymentId = this.#paymentId();
    const event = this.#event();
    return [`${event.type} on ${paymentId}`, (ledger) => ledger.apply(paymentId, event, context)];
  }

  #answered(): [string, Command["run"]] {
    const context = this.#context();
    const paymentIds = [this.#paymentId(), this.#paymentId()];
    const saves = this.#random.chance(0.5);
    const run = (ledger: Ledger) => {
      ledger.noteAnswered(paymentIds);
      if (saves) ledger.saveAnswered(context);
    };
    return [`answered ${paymentIds.join(" and ")}`, run];
  }

  #sweep(): [string, Command["run"]] {
    const context = this.#context();
    return this.#random.chance(0.5)
      ? ["sweep responses", (ledger) => ledger.removeExpiredResponses(3, context)]
      : ["sweep superseded", (ledger) => ledger.removeSuperseded(2, context.nowMs)];
  }

  #event(): PaymentEvent {
    const random = this.#random;
    const found = this.#evidence();
    const confirmed = random.pick(["confirmed", "missing", "shallow", "unavailable"]);
    return random.pick<PaymentEvent>([
      {
        type: "attempt_started",
        facilitatorId: random.pick(FACILITATORS),
        leaseMs: LEASE_MS,
      },
      { type: "chain_checked", evidence: found },
      { type: "chain_checked", evidence: found },
      {
        type: "confirmation_checked",
        evidence:
          confirmed === "confirmed"
            ? { found: "confirmed", transfer: this.#transfer() }
            : confirmed === "shallow"
              ? { found: "shallow", confirmations: 1 }
              : confirmed === "missing"
                ? { found: "missing" }
                : { found: "unavailable", reason: "down" },
      },
      { type: "abandoned" },
      { type: "parked" },
      { type: "postponed" },
      { type: "deferred", untilMs: random.chance(0.2) ? null : this.#nowMs + 1_000 },
      { type: "answered" },
    ]);
  }

  #evidence(): AuthorizationEvidence {
    return this.#random.pick<AuthorizationEvidence>([
      { found: "transfer", transfer: this.#transfer() },
      { found: "transfer", transfer: this.#transfer() },
      { found: "canceled", transaction: "0xca" },
      { found: "used_otherwise", transaction: "0xcb" },
      { found: "expired", finalizedBlockTimestampMs: this.#nowMs },
      { found: "unused" },
      { found: "unavailable", reason: "down" },
    ]);
  }

  #transfer(): TransferEvidence {
    return {
      transaction: this.#random.pick(LOGS),
      logIndex: this.#random.between(0, 1),
      blockNumber: 2n ** 60n + BigInt(this.#random.between(0, 3)),
      blockHash: `0xb${this.#random.between(0, 3)}`,
      blockTimestampMs: this.#nowMs,
    };
  }

  #outcome(): SettleOutcome {
    const random = this.#random;
    const transaction = random.pick(LOGS);
    return random.pick<SettleOutcome>([
      { class: "settled", transaction },
      { class: "settled", transaction },
      { class: "refused", reason: "insufficient_funds" },
      { class: "pending", transaction: random.chance(0.5) ? transaction : null },
      { class: "ambiguous", reason: random.pick(["timeout", "unanswered"]), transaction: null },
      { class: "unavailable", reason: "connection_refused", retryAfterMs: null },
    ]);
  }

  /** One that was given out, or one that never was. */
  #paymentId(): string {
    const ids = [...this.paymentIds];
    return ids[this.#random.between(0, ids.length)] ?? "pay_unknown";
  }

  #context() {
    return { nowMs: this.#nowMs, jitter: this.#random.next() };
  }
}
