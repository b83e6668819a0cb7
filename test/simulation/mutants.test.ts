/**
 * Deliberately broken variants of the core. Each is a mistake somebody could make, and the simulation has to notice
 * every one of them; otherwise its silence about the real core would mean nothing.
 */
import { afterEach, expect, test, vi } from "vitest";
import type * as ClaimsModule from "../../durable-objects/settlement-ledger/claims.ts";
import type * as LedgerModule from "../../durable-objects/settlement-ledger/ledger.ts";
import type * as Claim from "../../src/settlement/claim.ts";
import type * as Facilitators from "./facilitator-model.ts";
import type * as NextStep from "../../src/settlement/next-step.ts";
import type * as PaymentModule from "../../src/settlement/payment.ts";
import type * as Transition from "../../src/settlement/transition.ts";

const SEEDS_MAX = 200;
const PURCHASES = 30;

const CLAIM = "../../src/settlement/claim.ts";
const NEXT_STEP = "../../src/settlement/next-step.ts";
const TRANSITION = "../../src/settlement/transition.ts";
const PAYMENT = "../../src/settlement/payment.ts";
const LEDGER = "../../durable-objects/settlement-ledger/ledger.ts";
const CLAIMS = "../../durable-objects/settlement-ledger/claims.ts";

// Up to 200 worlds, on whatever machine this is.
vi.setConfig({ testTimeout: 300_000 });

afterEach(() => {
  vi.doUnmock(CLAIM);
  vi.doUnmock(NEXT_STEP);
  vi.doUnmock(TRANSITION);
  vi.doUnmock(PAYMENT);
  vi.doUnmock(LEDGER);
  vi.doUnmock(CLAIMS);
  vi.resetModules();
});

/** The first violations that the mutated core shows; empty when it survives all seeds. */
async function firstViolations(): Promise<readonly string[]> {
  const { simulate } = await import("./simulate.ts");
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const { violations } = await simulate(seed, PURCHASES);
    if (violations.length > 0) return violations;
  }
  return [];
}

function mutateTransition(mutate: (actual: typeof Transition) => Partial<typeof Transition>): void {
  vi.resetModules();
  vi.doMock(TRANSITION, async (importActual) => {
    const actual = await importActual<typeof Transition>();
    return { ...actual, ...mutate(actual) };
  });
}

function mutateNextStep(mutate: (actual: typeof NextStep) => Partial<typeof NextStep>): void {
  vi.resetModules();
  vi.doMock(NEXT_STEP, async (importActual) => {
    const actual = await importActual<typeof NextStep>();
    return { ...actual, ...mutate(actual) };
  });
}

function mutateClaim(mutate: (actual: typeof Claim) => Partial<typeof Claim>): void {
  vi.resetModules();
  vi.doMock(CLAIM, async (importActual) => {
    const actual = await importActual<typeof Claim>();
    return { ...actual, ...mutate(actual) };
  });
}

test("is caught: a used nonce taken for a settlement", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) =>
      transition(
        payment,
        event.type === "attempt_finished" &&
          event.outcome.class === "ambiguous" &&
          event.outcome.reason === "nonce_already_used"
          ? { ...event, outcome: { class: "settled", transaction: "0xguess" } }
          : event,
        context,
      ),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: an ambiguous outcome taken for a failure", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) =>
      transition(
        payment,
        event.type === "attempt_finished" && event.outcome.class === "ambiguous"
          ? { ...event, outcome: { class: "refused", reason: event.outcome.reason } }
          : event,
        context,
      ),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: settling again and again without ever looking at the chain", async () => {
  mutateNextStep(({ nextStep }) => ({
    nextStep: (payment, context) => nextStep(payment, { ...context, chain: "none" }),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: expiry by the wall clock", async () => {
  mutateNextStep(({ nextStep }) => ({
    nextStep: (payment, context) => {
      const step = nextStep(payment, context);
      const isLate = context.nowMs >= payment.authorization.validBeforeMs;
      return isLate && step.step === "check_chain" && payment.state === "unknown"
        ? { step: "abandon" }
        : step;
    },
  }));
  mutateTransitionToAbandonAnything();
  expect(await firstViolations()).not.toEqual([]);
});

/** The core refuses to abandon what may have landed; the mutant of the clock does not ask. */
function mutateTransitionToAbandonAnything(): void {
  vi.doMock(TRANSITION, async (importActual) => {
    const actual = await importActual<typeof Transition>();
    const transition: typeof actual.transition = (payment, event, context) =>
      event.type === "abandoned"
        ? {
            payment: { ...payment, state: "failed", failure: "expired", dueAtMs: null },
            effects: [],
          }
        : actual.transition(payment, event, context);
    return { ...actual, transition };
  });
}

test("is caught: a success that is posted each time it is reported", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) =>
      event.type === "attempt_finished" && event.outcome.class === "settled"
        ? transition({ ...payment, state: "unknown" }, event, context)
        : transition(payment, event, context),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: trusting a facilitator's success for ever", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) =>
      event.type === "confirmation_checked" && event.evidence.found === "missing"
        ? { payment: { ...payment, state: "confirmed", dueAtMs: null }, effects: [] }
        : transition(payment, event, context),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: no re-sign guard", async () => {
  mutateClaim(({ decideClaim }) => ({
    decideClaim: (command, known, context) =>
      decideClaim(
        command,
        { ...known, earlierPayment: null, earlierClaim: null, superseded: null },
        context,
      ),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: charging again for what was paid upfront and is still owed", async () => {
  mutateClaim(({ decideClaim }) => ({
    decideClaim: (command, known, context) => {
      const isOwed = known.earlierPayment?.fulfilment?.state === "pending";
      return decideClaim(command, isOwed ? { ...known, earlierPayment: null } : known, context);
    },
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: what was paid upfront and never fetched is forgotten", async () => {
  mutateNextStep(({ nextStep }) => ({
    nextStep: (payment, context) => {
      const step = nextStep(payment, context);
      return step.step === "give_up_fulfilment" ? { step: "wait", untilMs: null } : step;
    },
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: a claim granted while another edge holds it", async () => {
  mutateClaim(({ decideClaim }) => ({
    decideClaim: (command, known, context) =>
      decideClaim(command, { ...known, claim: null }, context),
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: settling before the response is stored", async () => {
  vi.resetModules();
  vi.doMock("./facilitator-model.ts", async (importActual) => {
    const actual = await importActual<typeof Facilitators>();
    class Eager extends actual.FacilitatorModel {
      /** What an edge does that settles first: the money is on its way before `stage`. */
      override async verify(
        authorization: Parameters<InstanceType<typeof actual.FacilitatorModel>["verify"]>[0],
      ): ReturnType<InstanceType<typeof actual.FacilitatorModel>["verify"]> {
        const verified = await super.verify(authorization);
        if (verified === "valid") await this.settle(authorization);
        return verified;
      }
    }
    return { ...actual, FacilitatorModel: Eager };
  });
  expect(await firstViolations()).not.toEqual([]);
  vi.doUnmock("./facilitator-model.ts");
});

test("is caught: only the last attempt is asked whether the money may have moved", async () => {
  vi.resetModules();
  vi.doMock(PAYMENT, async (importActual) => {
    const actual = await importActual<typeof PaymentModule>();
    const mayHaveLanded: typeof actual.mayHaveLanded = ({ attempts }) => {
      const outcome = attempts.at(-1)?.outcome;
      return outcome?.class !== "refused" && outcome?.class !== "unavailable";
    };
    return { ...actual, mayHaveLanded };
  });
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: an answer taken for written out as soon as it is paid for", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) => {
      const after = transition(payment, event, context);
      return after.payment.state === "settled"
        ? { ...after, payment: { ...after.payment, answeredAtMs: context.nowMs } }
        : after;
    },
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: a payment that is looked at once and never again", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) => {
      const after = transition(payment, event, context);
      return event.type === "chain_checked" && after.payment.state === "unknown"
        ? { ...after, payment: { ...after.payment, dueAtMs: null } }
        : after;
    },
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: a settlement that is reversed without its posting", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) => {
      const after = transition(payment, event, context);
      return event.type === "confirmation_checked" ? { ...after, effects: [] } : after;
    },
  }));
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: a payout that is given back while it may still land", async () => {
  mutateTransition(({ transition }) => ({
    transition: (payment, event, context) =>
      payment.direction === "outgoing" &&
      event.type === "attempt_finished" &&
      event.outcome.class === "ambiguous"
        ? transition(payment, { ...event, outcome: { class: "refused", reason: "guess" } }, context)
        : transition(payment, event, context),
  }));
  mutateNextStepToForgetFailed();
  expect(await firstViolations()).not.toEqual([]);
});

/** The core looks once more at what failed, and would find out. */
function mutateNextStepToForgetFailed(): void {
  vi.doMock(NEXT_STEP, async (importActual) => {
    const actual = await importActual<typeof NextStep>();
    const nextStep: typeof actual.nextStep = (payment, context) =>
      payment.state === "failed"
        ? { step: "wait", untilMs: null }
        : actual.nextStep(payment, context);
    return { ...actual, nextStep };
  });
}

test("is caught: an edge that comes back late and stages beside the payment that overtook it", async () => {
  vi.resetModules();
  vi.doMock(CLAIMS, async (importActual) => {
    const actual = await importActual<typeof ClaimsModule>();
    class Forgiving extends actual.Claims {
      override othersOf(): [] {
        return [];
      }
    }
    return { ...actual, Claims: Forgiving };
  });
  expect(await firstViolations()).not.toEqual([]);
});

test("is caught: a response removed while its payment may still land", async () => {
  vi.resetModules();
  vi.doMock(LEDGER, async (importActual) => {
    const actual = await importActual<typeof LedgerModule>();
    class Tidy extends actual.Ledger {
      override claim(...values: Parameters<InstanceType<typeof actual.Ledger>["claim"]>) {
        const decision = super.claim(...values);
        if (decision.decision === "unknown") {
          const { paymentId } = decision.payment;
          this.apply(paymentId, { type: "response_removed" }, { nowMs: values[2], jitter: 0 });
        }
        return decision;
      }
    }
    return { ...actual, Ledger: Tidy };
  });
  expect(await firstViolations()).not.toEqual([]);
});
