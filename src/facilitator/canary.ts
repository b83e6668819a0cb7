/**
 * When a canary pays, what of its cap is left, and what came of it. Pure. Whatever was signed counts as spent, however
 * it ended: whoever was shown an authorization can still send it, so only the cap on signing is one on money.
 */
import type { Authorization } from "../settlement/authorization.ts";
import type { ConfirmationEvidence } from "../settlement/evidence.ts";
import type { CanaryConfig } from "./canary-config.ts";
import type { FacilitatorId } from "./port.ts";

/** What a payment ended as; `unknown` until it has, and for ever when its sender was lost. */
export type CanaryOutcome =
  /** The facilitator says so; it stays so where no node can be asked. */
  | "settled"
  /** It is on the chain. */
  | "confirmed"
  /** The facilitator says that it settled, and the chain has no such transfer. */
  | "missing"
  /** `/verify` turned it down. */
  | "invalid"
  | "refused"
  | "pending"
  | "ambiguous"
  | "unavailable"
  | "unknown";

export interface CanaryRun {
  readonly atMs: number;
  readonly outcome: CanaryOutcome;
  /** Normalised reason; null when it settled or nothing is known. */
  readonly reason: string | null;
  /** Null when it was not asked, or gave no sign. */
  readonly verifyMs: number | null;
  readonly settleMs: number | null;
  readonly transaction: string | null;
}

export interface CanaryRecord {
  readonly last: CanaryRun;
  /** Whether operators were told that these payments fail; once for each time they begin to. */
  readonly isAlerted: boolean;
  /** What the last payment authorized, while the chain is still to be asked about it. */
  readonly unconfirmed?: Authorization;
}

export interface CanaryState {
  /** Number of the UTC day that `spentAtomic` is about. */
  readonly day: number;
  readonly spentAtomic: bigint;
  readonly facilitators: Readonly<Record<FacilitatorId, CanaryRecord>>;
}

/** As operators see it. */
export interface CanaryView {
  readonly wallet: string;
  readonly payTo: string;
  /** CAIP-2. */
  readonly network: string;
  readonly amountAtomic: string;
  /** Signed away since midnight (UTC), and the most that may be. */
  readonly spentTodayAtomic: string;
  readonly dailySpendCapAtomic: string;
  /** The last payment through each facilitator; null before the first. */
  readonly facilitators: readonly { readonly id: FacilitatorId; readonly last: CanaryRun | null }[];
}

export const NO_CANARY_STATE: CanaryState = { day: 0, spentAtomic: 0n, facilitators: {} };

const DAY_MS = 24 * 3_600_000;

/** How long the chain is asked about a payment. A node that says nothing by then leaves it at the facilitator's word. */
const CONFIRM_WITHIN_MS = 5 * 60_000;

/** A settlement that the chain is to be asked about. */
export interface UnconfirmedRun {
  readonly facilitatorId: FacilitatorId;
  readonly atMs: number;
  readonly authorization: Authorization;
  readonly transaction: string;
}

/** When the next payment through a facilitator is due, unless one is unconfirmed; for one that never had any, now. */
export function dueAtMs(
  state: CanaryState,
  canary: CanaryConfig,
  facilitatorId: FacilitatorId,
  nowMs: number,
): number {
  const last = state.facilitators[facilitatorId]?.last;
  const dueMs = last === undefined ? nowMs : last.atMs + canary.intervalMs;
  return canSpend(state, canary, nowMs) ? dueMs : Math.max(dueMs, (dayOf(nowMs) + 1) * DAY_MS);
}

/**
 * The state with a payment that is about to be signed: its amount is spent, its outcome unknown. Null when it would
 * exceed the day's cap.
 */
export function beginRun(
  state: CanaryState,
  canary: CanaryConfig,
  facilitatorId: FacilitatorId,
  nowMs: number,
): CanaryState | null {
  if (!canSpend(state, canary, nowMs)) return null;
  const last: CanaryRun = {
    atMs: nowMs,
    outcome: "unknown",
    reason: null,
    verifyMs: null,
    settleMs: null,
    transaction: null,
  };
  return withRun(
    {
      ...state,
      day: dayOf(nowMs),
      spentAtomic: spentToday(state, nowMs) + canary.amountAtomic,
    },
    facilitatorId,
    last,
  );
}

/** @param authorization what the chain is to be asked about, once it is said to be settled; null where no node is */
export function endRun(
  state: CanaryState,
  facilitatorId: FacilitatorId,
  ended: Omit<CanaryRun, "atMs">,
  authorization: Authorization | null,
): CanaryState {
  const record = state.facilitators[facilitatorId];
  if (record === undefined) return state;
  const isUnconfirmed = ended.outcome === "settled" && authorization !== null;
  return withRun(
    state,
    facilitatorId,
    { ...ended, atMs: record.last.atMs },
    isUnconfirmed ? authorization : undefined,
  );
}

export function unconfirmedRuns(state: CanaryState): readonly UnconfirmedRun[] {
  return Object.entries(state.facilitators).flatMap(([facilitatorId, { last, unconfirmed }]) =>
    unconfirmed === undefined || last.transaction === null
      ? []
      : [
          {
            facilitatorId,
            atMs: last.atMs,
            authorization: unconfirmed,
            transaction: last.transaction,
          },
        ],
  );
}

/** The state with what the chain says; the same while it is to be asked again. */
export function confirmRun(
  state: CanaryState,
  { facilitatorId, atMs }: UnconfirmedRun,
  evidence: ConfirmationEvidence,
  nowMs: number,
): CanaryState {
  const last = state.facilitators[facilitatorId]?.last;
  if (last === undefined || last.atMs !== atMs) return state;
  switch (evidence.found) {
    case "confirmed":
      return withRun(state, facilitatorId, { ...last, outcome: "confirmed" });
    case "missing":
      return withRun(state, facilitatorId, {
        ...last,
        outcome: "missing",
        reason: "settlement_missing",
      });
    case "shallow":
    case "unavailable":
      return nowMs - atMs < CONFIRM_WITHIN_MS ? state : withRun(state, facilitatorId, last);
    default:
      return evidence satisfies never;
  }
}

/** Facilitators whose last payment failed and nobody was told so. */
export function unalerted(state: CanaryState): readonly FacilitatorId[] {
  return Object.entries(state.facilitators)
    .filter(([, { last, isAlerted }]) => !isPaid(last) && !isAlerted)
    .map(([id]) => id);
}

export function withAlerted(state: CanaryState, ids: readonly FacilitatorId[]): CanaryState {
  const facilitators = Object.fromEntries(
    Object.entries(state.facilitators).map(([id, record]) => [
      id,
      ids.includes(id) ? { ...record, isAlerted: true } : record,
    ]),
  );
  return { ...state, facilitators };
}

export function canaryView(
  state: CanaryState,
  canary: CanaryConfig,
  facilitatorIds: readonly FacilitatorId[],
  nowMs: number,
): CanaryView {
  return {
    wallet: canary.wallet,
    payTo: canary.payTo,
    network: canary.network.caip2,
    amountAtomic: canary.amountAtomic.toString(),
    spentTodayAtomic: spentToday(state, nowMs).toString(),
    dailySpendCapAtomic: canary.dailySpendCapAtomic.toString(),
    facilitators: facilitatorIds.map((id) => ({ id, last: state.facilitators[id]?.last ?? null })),
  };
}

function withRun(
  state: CanaryState,
  facilitatorId: FacilitatorId,
  last: CanaryRun,
  unconfirmed?: Authorization,
): CanaryState {
  const wasAlerted = state.facilitators[facilitatorId]?.isAlerted ?? false;
  // A facilitator's word alone does not end what the chain has contradicted.
  const isAlerted = wasAlerted && (!isPaid(last) || unconfirmed !== undefined);
  const record = { last, isAlerted, ...(unconfirmed === undefined ? {} : { unconfirmed }) };
  return { ...state, facilitators: { ...state.facilitators, [facilitatorId]: record } };
}

function isPaid({ outcome }: CanaryRun): boolean {
  return outcome === "settled" || outcome === "confirmed";
}

function canSpend(state: CanaryState, canary: CanaryConfig, nowMs: number): boolean {
  return spentToday(state, nowMs) + canary.amountAtomic <= canary.dailySpendCapAtomic;
}

/** A clock that goes back does not give the day's money back. */
function spentToday({ day, spentAtomic }: CanaryState, nowMs: number): bigint {
  return dayOf(nowMs) > day ? 0n : spentAtomic;
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS);
}
