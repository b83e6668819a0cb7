/** An edge instance serving one send of a payment: the steps of the paid path, each of which may be its last. */
import type { ClaimDecision } from "../../src/settlement/claim.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import { type Payment, isFailed, isSettled, openAttempt } from "../../src/settlement/payment.ts";
import { identityOf } from "./chain-model.ts";
import type { Clock } from "./clock.ts";
import type { FacilitatorModel } from "./facilitator-model.ts";
import { ATTEMPT_LEASE_MS, Crash, type LedgerHost, wireOf } from "./ledger-host.ts";
import type { Random } from "./random.ts";

/** A payer whose signatures only a facilitator can check, so that its claims hold nobody up. */
export const CONTRACT_WALLET = "payer0";

const STALL_MS_MAX = 150_000;

/** One signed payment for one request. */
export interface Send {
  readonly authorization: Authorization;
  readonly requestFingerprint: string;
  readonly quoteHash: string;
  /** Whether the money moves before the handler runs. */
  readonly upfront: boolean;
}

/** One sending of it, by a client that may hang up. */
export interface Call extends Send {
  readonly isGone: () => boolean;
}

/** What the client got; `lost` when the connection broke before an answer. */
export type Answer =
  | { readonly status: 200; readonly body: string; readonly paymentId: string }
  | { readonly status: 402; readonly final: boolean }
  | { readonly status: 409 | 410 | 502 | 503 }
  | { readonly status: "lost" };

export interface EdgeWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly host: LedgerHost;
  readonly facilitators: readonly [FacilitatorModel, ...FacilitatorModel[]];
  /** Told whenever a handler starts and ends, and whenever a body is handed to a client. */
  readonly observer: {
    handlerStarted(identity: string): void;
    handlerFailed(identity: string): void;
    /** It died, or came back so late that another may have taken over. */
    edgeFailed(identity: string): void;
    staged(send: Send): void;
    answered(send: Send, body: string): void;
  };
  edgeCrashRate: number;
  /** Chance, at every step, that the edge stalls for longer than any lease, and then goes on as if nothing were. */
  stallRate: number;
  /** How long responses are kept, milliseconds. */
  retentionMs: number;
  /** How long what was paid upfront can be come for, milliseconds. */
  upfrontRetentionMs: number;
  handlerFaultRate: number;
  /** Chance that an outcome is reported twice. */
  duplicateRate: number;
  /** Chance that the client's connection breaks before the answer is written out. */
  disconnectRate: number;
}

class EdgeCrash extends Error {
  override readonly name = "EdgeCrash";
}

export async function serve(world: EdgeWorld, send: Call): Promise<Answer> {
  try {
    return await attend(world, send);
  } catch (error) {
    if (error instanceof EdgeCrash) {
      world.observer.edgeFailed(identityOf(send.authorization));
      return { status: "lost" };
    }
    // The edge sees its call to the object rejected and answers 500; the client may resend.
    if (error instanceof Crash) return { status: 503 };
    throw error;
  }
}

async function attend(world: EdgeWorld, send: Call): Promise<Answer> {
  const isProved = send.authorization.payer !== CONTRACT_WALLET;
  let claimed = await claim(world, send, isProved);
  if (claimed.decision.decision === "verify_first") {
    const verified = await verify(world, send);
    if (verified !== "valid") return answerUnverified(verified);
    claimed = await claim(world, send, true);
  }
  const { decision, stored } = claimed;
  return decision.decision === "grant"
    ? await work(world, send, decision.claim.paymentId, decision.claim.fence)
    : await answerKnown(world, send, decision, stored?.body);
}

async function claim(world: EdgeWorld, send: Call, signatureProved: boolean) {
  const { host, clock } = world;
  const { payer } = send.authorization;
  const claimed = await host.call((ledger) => {
    const decided = ledger.claim(
      {
        identity: identityOf(send.authorization),
        payloadDigest: `digest ${send.authorization.nonce}`,
        requestFingerprint: send.requestFingerprint,
        proofs: { quoteHash: send.quoteHash, identifierHash: null, idempotencyKeyHash: null },
        payer,
        refusal: clock.nowMs > send.authorization.validBeforeMs - 20_000 ? "valid_before" : null,
        validBeforeMs: send.authorization.validBeforeMs,
        signatureProved,
        resignGuard: true,
        replayGraceMs: 0,
      },
      `pay_${String(host.nowMs)}_${world.random.between(0, 1_000_000_000)}`,
      host.nowMs,
    );
    const replayed = decided.decision === "replay" ? decided.payment.paymentId : null;
    return { decision: decided, stored: replayed === null ? null : ledger.responseOf(replayed) };
  });
  await betweenSteps(world, send);
  return claimed;
}

/** At one facilitator after another, until one of them can say. */
async function verify(world: EdgeWorld, send: Call): Promise<"valid" | "invalid" | "unavailable"> {
  for (const facilitator of world.facilitators) {
    const verified = await facilitator.verify(send.authorization);
    await betweenSteps(world, send);
    if (verified !== "unavailable") return verified;
  }
  return "unavailable";
}

function answerUnverified(verified: "invalid" | "unavailable"): Answer {
  return verified === "invalid" ? { status: 402, final: false } : { status: 503 };
}

async function answerKnown(
  world: EdgeWorld,
  send: Call,
  decision: Exclude<ClaimDecision, { decision: "grant" }>,
  body: unknown,
): Promise<Answer> {
  switch (decision.decision) {
    case "replay": {
      const { paymentId } = decision.payment;
      if (!(body instanceof Uint8Array)) throw new Error(`${paymentId} lost its response`);
      return await writeOut(world, send, paymentId, new TextDecoder().decode(body));
    }
    case "fulfil": {
      const { payment } = decision;
      return await fulfil(world, send, payment, payment.fulfilment?.attempts ?? 0);
    }
    case "failed":
    case "refused":
      return { status: 402, final: true };
    case "undelivered":
    case "response_expired":
      return { status: 410 };
    case "unknown":
      return { status: 503 };
    default:
      return { status: 409 };
  }
}

async function work(
  world: EdgeWorld,
  send: Call,
  paymentId: string,
  fence: number,
): Promise<Answer> {
  const identity = identityOf(send.authorization);
  if (send.upfront) return await stageAndSettle(world, send, { paymentId, fence, body: null });
  const release = () => world.host.call((ledger) => ledger.release(identity, paymentId, fence));
  const verified = await verify(world, send);
  if (verified !== "valid") {
    await release();
    return answerUnverified(verified);
  }
  world.observer.handlerStarted(identity);
  await world.clock.sleep(world.random.between(1, 3_000));
  await betweenSteps(world, send);
  if (world.random.chance(world.handlerFaultRate)) {
    world.observer.handlerFailed(identity);
    await release();
    return { status: 502 };
  }
  const body = `answer ${identity} ${world.random.between(0, 1_000_000)}`;
  return await stageAndSettle(world, send, { paymentId, fence, body });
}

async function stageAndSettle(
  world: EdgeWorld,
  send: Call,
  held: { readonly paymentId: string; readonly fence: number; readonly body: string | null },
): Promise<Answer> {
  const { host, facilitators } = world;
  const { paymentId, fence, body } = held;
  const encoder = new TextEncoder();
  const staged = await host.call((ledger) => {
    const decided = ledger.stage(
      {
        grant: { paymentId, fence, leaseExpiresAtMs: 0 },
        identity: identityOf(send.authorization),
        authorization: send.authorization,
        wire: wireOf(send.authorization),
        route: { path: "/r", method: "GET", url: "/r" },
        response: body === null ? null : { status: 200, headers: [], body: encoder.encode(body) },
        facilitatorId: facilitators[0].id,
        boundFacilitatorId: null,
        attemptLeaseMs: ATTEMPT_LEASE_MS,
        feeAtomic: 1n,
        retentionMs: body === null ? world.upfrontRetentionMs : world.retentionMs,
      },
      host.context(),
    );
    if (decided.result === "staged") world.observer.staged(send);
    return decided;
  });
  await betweenSteps(world, send);
  if (staged.result === "fenced") return { status: 409 };
  let attempt = staged.attempt;
  let facilitator = facilitators[0];
  for (;;) {
    const outcome = await facilitator.settle(send.authorization);
    await betweenSteps(world, send);
    const reported = attempt;
    const report = () =>
      host.call((ledger) => {
        const recorded = ledger.finishAttempt(
          paymentId,
          reported,
          outcome,
          { facilitatorIds: facilitators.map(({ id }) => id), leaseMs: ATTEMPT_LEASE_MS },
          host.context(),
        );
        const given = recorded === null ? null : ledger.startFulfilment(recorded, host.context());
        return { payment: recorded, run: given };
      });
    const { payment, run } = await report();
    if (world.random.chance(world.duplicateRate)) repeatLater(world, report);
    if (payment === null) throw new Error(`${paymentId} is gone`);
    if (isSettled(payment)) {
      if (body !== null) return await writeOut(world, send, paymentId, body);
      return run === null ? { status: 409 } : await fulfil(world, send, payment, run);
    }
    if (isFailed(payment)) return { status: 402, final: true };
    const open = openAttempt(payment);
    if (open === null || open.attempt === attempt) return { status: 503 };
    attempt = open.attempt;
    facilitator = facilitators.find(({ id }) => id === open.facilitatorId) ?? facilitators[0];
  }
}

/** Runs the handler once, for whoever was given the run, and writes its answer out if the ledger lets it go. */
async function fulfil(
  world: EdgeWorld,
  send: Call,
  { paymentId, identity }: Payment,
  attempt: number,
): Promise<Answer> {
  const { host, random } = world;
  world.observer.handlerStarted(identity);
  await world.clock.sleep(random.between(1, 3_000));
  await betweenSteps(world, send);
  const delivered = !random.chance(world.handlerFaultRate);
  const payment = await host.call((ledger) =>
    ledger.finishFulfilment(paymentId, attempt, delivered, host.context()),
  );
  if (!delivered) {
    world.observer.handlerFailed(identity);
    return { status: 502 };
  }
  if (payment?.fulfilment?.state !== "fulfilled") return { status: 502 };
  const body = `answer ${identity} run ${attempt}`;
  return await writeOut(world, send, paymentId, body);
}

async function writeOut(
  world: EdgeWorld,
  send: Call,
  paymentId: string,
  body: string,
): Promise<Answer> {
  mayDie(world);
  if (send.isGone() || world.random.chance(world.disconnectRate)) return { status: "lost" };
  world.observer.answered(send, body);
  // The news that it was written out travels later, and may be lost with the edge.
  if (!world.random.chance(world.edgeCrashRate)) {
    world.clock.after(world.random.between(1, 1_000), () => {
      void world.host
        .call((ledger) => {
          ledger.noteAnswered([paymentId]);
          ledger.saveAnswered(world.host.context());
        })
        .catch(ignoreCrash);
    });
  }
  return { status: 200, body, paymentId };
}

/** A report that is delivered twice, the second time late. */
function repeatLater(world: EdgeWorld, report: () => Promise<unknown>): void {
  world.clock.after(world.random.between(1, 120_000), () => {
    void report().catch(ignoreCrash);
  });
}

export function ignoreCrash(error: unknown): void {
  if (!(error instanceof Crash)) throw error;
}

function mayDie(world: EdgeWorld): void {
  if (world.random.chance(world.edgeCrashRate)) throw new EdgeCrash();
}

/** Between two steps an edge may die, or stall. */
async function betweenSteps(world: EdgeWorld, send: Call): Promise<void> {
  mayDie(world);
  if (!world.random.chance(world.stallRate)) return;
  world.observer.edgeFailed(identityOf(send.authorization));
  await world.clock.sleep(world.random.between(1_000, STALL_MS_MAX));
}
