/**
 * When a canary pays, what of its cap is left, and what came of it. Pure. Whatever was signed counts as spent, however
 * it ended: whoever was shown an authorization can still send it, so only the cap on signing is one on money.
 */
import type { CanaryConfig } from "./canary-config.ts";
import type { FacilitatorId } from "./port.ts";

/** What a payment ended as; `unknown` until it has, and for ever when its sender was lost. */
export type CanaryOutcome =
  | "settled"
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

/** When the next payment through a facilitator is due; for one that never had any, now. */
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

export function endRun(
  state: CanaryState,
  facilitatorId: FacilitatorId,
  ended: Omit<CanaryRun, "atMs">,
): CanaryState {
  const record = state.facilitators[facilitatorId];
  if (record === undefined) return state;
  return withRun(state, facilitatorId, { ...ended, atMs: record.last.atMs });
}

/** Facilitators whose last payment failed and nobody was told so. */
export function unalerted(state: CanaryState): readonly FacilitatorId[] {
  return Object.entries(state.facilitators)
    .filter(([, { last, isAlerted }]) => last.outcome !== "settled" && !isAlerted)
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

function withRun(state: CanaryState, facilitatorId: FacilitatorId, last: CanaryRun): CanaryState {
  const wasAlerted = state.facilitators[facilitatorId]?.isAlerted ?? false;
  const isAlerted = wasAlerted && last.outcome !== "settled";
  return {
    ...state,
    facilitators: { ...state.facilitators, [facilitatorId]: { last, isAlerted } },
  };
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
