/**
 * The alarm's work: payments that are due, one step after another, until each has to wait. The network is called
 * between steps, never inside a transaction; every result goes through the ledger as an event, so a crash at any
 * point leaves a payment that is simply due again.
 */
import type { ChainReader } from "../../../src/chain/port.ts";
import type { ExpectedTransfer } from "../../../src/facilitator/port.ts";
import type { WirePayment } from "../../../src/payment/wire.ts";
import { type NextStep, nextStep } from "../../../src/settlement/next-step.ts";
import type { SettleOutcome } from "../../../src/settlement/outcome.ts";
import type { Payment } from "../../../src/settlement/payment.ts";
import type { PaymentEvent, TransitionContext } from "../../../src/settlement/event.ts";
import { type DueSource, type Progress, runDrainPool } from "./drain-pool.ts";
import { SettleSlots } from "./settle-slots.ts";

/** What the drain needs from the world around it. */
export interface DrainDependencies extends DueSource {
  payment(paymentId: string): Payment | null;
  apply(paymentId: string, event: PaymentEvent, context: TransitionContext): Payment | null;
  chainOf(network: string): ChainReader | null;
  /** Usable facilitators for a payment, in order of preference. */
  facilitatorIds(payment: Payment): readonly string[];
  settle(
    facilitatorId: string,
    wire: WirePayment,
    expected: ExpectedTransfer,
  ): Promise<SettleOutcome>;
  /** What to send; signs a payout that is not signed yet. Null when it can't be signed, which is final. */
  wireOf(payment: Payment): Promise<WirePayment | null>;
  /** How long an attempt may stay unanswered, milliseconds. */
  readonly attemptLeaseMs: number;
  /** In [0, 1). */
  random(): number;
  /** Something unexpected broke; the payment is tried again later. */
  onError(paymentId: string, error: unknown): void;
}

/** The longest useful path is close, check, settle, wait; the rest is margin. */
const STEPS_MAX = 6;
/** What waited for a facilitator that hangs makes room for what comes after it in the index; with jitter. */
const HANGING_RETRY_MS = 20_000;

/**
 * Works off what is due. Never throws for a payment's sake: one that breaks waits, the others go on. What is left when
 * its time is over is still due, so that the alarm fires again for it at once.
 */
export async function drainDue(deps: DrainDependencies): Promise<void> {
  const slots = new SettleSlots();
  await runDrainPool((paymentId) => advance(paymentId, slots, deps), slots, deps);
  for (const paymentId of slots.waitingInVain()) {
    if (isDueLater(paymentId, deps)) continue;
    const untilMs = Math.round(deps.now() + HANGING_RETRY_MS * (1 - deps.random() / 2));
    deps.apply(paymentId, { type: "deferred", untilMs }, contextOf(deps));
  }
}

/** Takes one payment as far as it goes now. */
async function advance(
  paymentId: string,
  slots: SettleSlots,
  deps: DrainDependencies,
): Promise<Progress> {
  try {
    if ((await advanceUnguarded(paymentId, slots, deps)) === "in_line") return "in_line";
  } catch (error) {
    deps.onError(paymentId, error);
    deps.apply(paymentId, { type: "postponed" }, contextOf(deps));
  }
  return isDueLater(paymentId, deps) ? "due_later" : "still_due";
}

function isDueLater(paymentId: string, deps: DrainDependencies): boolean {
  return (deps.payment(paymentId)?.dueAtMs ?? Infinity) > deps.now();
}

async function advanceUnguarded(
  paymentId: string,
  slots: SettleSlots,
  deps: DrainDependencies,
): Promise<"in_line" | "done"> {
  let chainDown = false;
  const done = new Set<NextStep["step"]>();
  for (let count = 0; count < STEPS_MAX; count += 1) {
    const payment = deps.payment(paymentId);
    if (payment === null) return "done";
    const chain = deps.chainOf(payment.authorization.network);
    const step = nextStep(payment, {
      nowMs: deps.now(),
      chain: chain === null ? "none" : chainDown ? "down" : "up",
      // Asked for by the few steps that settle.
      get facilitatorIds() {
        return deps.facilitatorIds(payment);
      },
    });
    // The same step twice would only repeat what was just learnt: it waits for its time.
    if (done.has(step.step)) return "done";
    done.add(step.step);
    if (step.step === "wait") {
      if (step.untilMs !== payment.dueAtMs) {
        deps.apply(paymentId, { type: "deferred", untilMs: step.untilMs }, contextOf(deps));
      }
      return "done";
    }
    if (step.step === "settle" && !slots.take(step.facilitatorId, paymentId)) return "in_line";
    const event = await perform(step, payment, chain, slots, deps);
    chainDown ||=
      (event.type === "chain_checked" || event.type === "confirmation_checked") &&
      event.evidence.found === "unavailable";
    deps.apply(paymentId, event, contextOf(deps));
  }
  return "done";
}

/** Does one step and says what came of it. */
async function perform(
  step: Exclude<NextStep, { step: "wait" }>,
  payment: Payment,
  chain: ChainReader | null,
  slots: SettleSlots,
  deps: DrainDependencies,
): Promise<PaymentEvent> {
  switch (step.step) {
    case "close_attempt":
      return {
        type: "attempt_finished",
        attempt: step.attempt,
        outcome: { class: "ambiguous", reason: step.reason, transaction: null },
      };
    case "check_chain":
      return {
        type: "chain_checked",
        evidence:
          chain === null
            ? { found: "unavailable", reason: "no RPC" }
            : await chain.findAuthorization(payment.authorization, payment.claimedAtMs),
      };
    case "confirm":
      return {
        type: "confirmation_checked",
        evidence:
          chain === null
            ? { found: "unavailable", reason: "no RPC" }
            : await chain.confirmTransfer(
                payment.authorization,
                step.transaction,
                payment.claimedAtMs,
              ),
      };
    case "settle": {
      const startedAtMs = deps.now();
      try {
        return await settleOnce(step.facilitatorId, payment, deps);
      } finally {
        slots.giveBack(step.facilitatorId, deps.now() - startedAtMs);
      }
    }
    case "postpone":
      return { type: "postponed" };
    case "give_up_fulfilment":
      return { type: "fulfilment_lapsed" };
    case "abandon":
      return { type: "abandoned" };
    case "park":
      return { type: "parked" };
    default:
      return step satisfies never;
  }
}

async function settleOnce(
  facilitatorId: string,
  payment: Payment,
  deps: DrainDependencies,
): Promise<PaymentEvent> {
  const wire = await deps.wireOf(payment);
  if (wire === null) return { type: "abandoned" };
  const started = deps.apply(
    payment.paymentId,
    { type: "attempt_started", facilitatorId, leaseMs: deps.attemptLeaseMs },
    contextOf(deps),
  );
  const attempt = started?.attempts.at(-1);
  if (
    attempt === undefined ||
    attempt.outcome !== null ||
    attempt.facilitatorId !== facilitatorId
  ) {
    throw new Error(`attempt on ${payment.paymentId} could not be opened`);
  }
  const { network, payer, amountAtomic } = payment.authorization;
  const outcome = await deps.settle(facilitatorId, wire, { network, payer, amountAtomic });
  return { type: "attempt_finished", attempt: attempt.attempt, outcome };
}

function contextOf(deps: DrainDependencies): TransitionContext {
  return { nowMs: deps.now(), jitter: deps.random() };
}
