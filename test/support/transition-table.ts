/** The transition table of the settlement machine, worked out from the code: what `docs/state-machine.md` shows. */
import { FULFILMENT_ATTEMPTS_MAX, shownState } from "../../src/settlement/fulfilment.ts";
import type { Fulfilment, Payment, PaymentState } from "../../src/settlement/payment.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import { transition } from "../../src/settlement/transition.ts";
import { NOW_MS, stagedPayment } from "./payments.ts";

const transfer = {
  transaction: "0xaa",
  logIndex: 1,
  blockNumber: 7n,
  blockHash: "0xblock",
  blockTimestampMs: NOW_MS,
};

function attempt(outcome: Payment["attempts"][number]["outcome"]): Payment["attempts"] {
  return [
    {
      attempt: 1,
      facilitatorId: "primary",
      startedAtMs: NOW_MS,
      leaseExpiresAtMs: NOW_MS + 25_000,
      outcome,
    },
  ];
}

const settled = { class: "settled", transaction: "0xaa" } as const;
const refused = { class: "refused", reason: "insufficient_funds" } as const;
const ambiguous = { class: "ambiguous", reason: "timeout", transaction: null } as const;

/** A payment in each state, with an attempt 1 as it is there. */
const payments: Readonly<Record<PaymentState, Payment>> = {
  staged: stagedPayment(),
  settling: stagedPayment({ state: "settling", attempts: attempt(null) }),
  unknown: stagedPayment({ state: "unknown", attempts: attempt(ambiguous) }),
  settled: stagedPayment({
    state: "settled",
    attempts: attempt(settled),
    transaction: "0xaa",
    settledAtMs: NOW_MS,
  }),
  confirmed: stagedPayment({
    state: "confirmed",
    attempts: attempt(settled),
    transaction: "0xaa",
    evidence: transfer,
    settledAtMs: NOW_MS,
    confirmedAtMs: NOW_MS,
    dueAtMs: null,
  }),
  failed: stagedPayment({
    state: "failed",
    attempts: attempt(refused),
    failure: "insufficient_funds",
  }),
  expired: stagedPayment({
    state: "expired",
    attempts: attempt(ambiguous),
    failure: "authorization_expired",
    dueAtMs: null,
  }),
};

const events: readonly (readonly [name: string, event: PaymentEvent])[] = [
  ["attempt started", { type: "attempt_started", facilitatorId: "primary", leaseMs: 25_000 }],
  ["outcome `settled`", finished(settled)],
  ["outcome `refused`", finished(refused)],
  ["outcome `pending`", finished({ class: "pending", transaction: "0xaa" })],
  ["outcome `ambiguous`", finished(ambiguous)],
  [
    "outcome `unavailable`",
    finished({ class: "unavailable", reason: "connection_refused", retryAfterMs: null }),
  ],
  ["chain: transfer", { type: "chain_checked", evidence: { found: "transfer", transfer } }],
  [
    "chain: cancelled",
    { type: "chain_checked", evidence: { found: "canceled", transaction: "0xcc" } },
  ],
  [
    "chain: used otherwise",
    { type: "chain_checked", evidence: { found: "used_otherwise", transaction: "0xdd" } },
  ],
  [
    "chain: expired",
    { type: "chain_checked", evidence: { found: "expired", finalizedBlockTimestampMs: NOW_MS } },
  ],
  ["chain: unused", { type: "chain_checked", evidence: { found: "unused" } }],
  [
    "chain: no answer",
    { type: "chain_checked", evidence: { found: "unavailable", reason: "down" } },
  ],
  ["confirmed", { type: "confirmation_checked", evidence: { found: "confirmed", transfer } }],
  [
    "not deep enough",
    { type: "confirmation_checked", evidence: { found: "shallow", confirmations: 0 } },
  ],
  ["not on the chain", { type: "confirmation_checked", evidence: { found: "missing" } }],
  ["abandoned", { type: "abandoned" }],
  ["parked", { type: "parked" }],
  ["operator resolves", { type: "operator_resolved", resolution: "settled" }],
];

function finished(outcome: NonNullable<Payment["attempts"][number]["outcome"]>): PaymentEvent {
  return { type: "attempt_finished", attempt: 1, outcome };
}

/** Markdown: a row per event, a column per state; empty where nothing changes. */
export function transitionTable(): string {
  const states = Object.entries(payments);
  const header = `| event | ${states.map(([state]) => state).join(" | ")} |`;
  const rule = `|---|${states.map(() => "---|").join("")}`;
  const rows = events.map(([name, event]) => {
    const cells = states.map(([, payment]) => cell(payment, event));
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  return [header, rule, ...rows].join("\n");
}

const UPFRONT_TIME_MS = 600_000;

/** An upfront payment that is settled, with its fulfilment in each state. */
function upfrontPayment(state: Fulfilment["state"], attempts: number): Payment {
  const fulfilment = { state, attempts, beforeMs: NOW_MS + UPFRONT_TIME_MS };
  return { ...payments.settled, response: "none", fulfilment };
}

const owed: readonly (readonly [name: string, payment: Payment])[] = [
  ["settled_unfulfilled, runs left", upfrontPayment("pending", 1)],
  ["settled_unfulfilled, last run", upfrontPayment("pending", FULFILMENT_ATTEMPTS_MAX)],
  ["fulfilled", upfrontPayment("fulfilled", 1)],
  ["paid_undelivered", upfrontPayment("undelivered", FULFILMENT_ATTEMPTS_MAX)],
];

const fulfilmentEvents: readonly (readonly [
  name: string,
  event: (payment: Payment) => PaymentEvent,
])[] = [
  ["handler answered 2xx", (payment) => finishedRun(payment, true)],
  ["handler failed", (payment) => finishedRun(payment, false)],
  ["time to fetch it is over", () => ({ type: "fulfilment_lapsed" })],
  ["not on the chain", () => ({ type: "confirmation_checked", evidence: { found: "missing" } })],
];

function finishedRun({ fulfilment }: Payment, delivered: boolean): PaymentEvent {
  return { type: "fulfilment_finished", attempt: fulfilment?.attempts ?? 0, delivered };
}

/** Markdown, as `transitionTable`: what happens to upfront payments once they are settled. */
export function fulfilmentTable(): string {
  const header = `| event | ${owed.map(([name]) => name).join(" | ")} |`;
  const rule = `|---|${owed.map(() => "---|").join("")}`;
  const rows = fulfilmentEvents.map(([name, event]) => {
    const cells = owed.map(([, payment]) =>
      cell(payment, event(payment), NOW_MS + UPFRONT_TIME_MS),
    );
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  return [header, rule, ...rows].join("\n");
}

function cell(before: Payment, event: PaymentEvent, nowMs = NOW_MS + 60_000): string {
  const { payment, effects } = transition(before, event, { nowMs, jitter: 0 });
  const marks = effects.map((effect) =>
    effect.effect === "post" ? `+${effect.posting.kind}` : `!${effect.kind}`,
  );
  const shown = shownState(payment);
  const state = shown === shownState(before) ? [] : [`**${shown}**`];
  return [...state, ...marks].join(" ");
}
