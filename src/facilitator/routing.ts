/**
 * Which facilitators to try for a payment, in which order. Pure.
 *
 * The configured order stands, except that health moves facilitators back or takes them out. It never takes out the
 * last one that could serve: when every breaker is open, all of them are tried, marked degraded. Only an operator's
 * `open` excludes for good.
 */
import type { FacilitatorConfig } from "../config.ts";
import type { BreakerStanding } from "./health-messages.ts";
import {
  type ListedKind,
  type PaymentKind,
  type RequestedKind,
  isSameKind,
} from "./payment-kind.ts";
import type { FacilitatorId, QuotedFacilitator } from "./port.ts";

/** What is known about one facilitator when a payment is routed. */
export interface RoutableFacilitator {
  readonly id: FacilitatorId;
  /** CAIP-2 networks it may be used for; null for all that it lists. */
  readonly networks: readonly string[] | null;
  /** What it says it serves; null when it was never heard. */
  readonly kinds: readonly PaymentKind[] | null;
  /** Keys of the x402 extensions that it lists. */
  readonly extensions: readonly string[];
  readonly breaker: BreakerStanding;
  /** This edge just failed to reach it, and nobody else may know yet. */
  readonly isSuspect: boolean;
  /** For settling: it is ill at verifying, or was when this payment was verified. Others are trusted sooner. */
  readonly isPassedOver: boolean;
  /** This call may probe it: it takes its place in the order for that. */
  readonly holdsProbe: boolean;
}

export interface Route {
  readonly kind: RequestedKind;
  /** The only facilitator that may serve a bound scheme; null when any may. */
  readonly boundFacilitatorId: FacilitatorId | null;
  readonly nowMs: number;
}

/** Why a candidate is not where the configured order has it, or is tried although it should rest. */
export type Degradation = keyof typeof BACKWARDS;

/** How far back each one moves a facilitator. From `half_open` on it rests while another can be tried. */
const BACKWARDS = {
  kind_unlisted: 0,
  passed_over: 1,
  suspect: 2,
  rate_limited: 3,
  half_open: 4,
  open: 5,
} as const;

/**
 * Part of the quotes that try out a half-open facilitator. Whoever gets one and finds it still ill has to wait for the
 * next quote, so these are few; whoever finds it well brings it back for all.
 */
const TRIAL_QUOTES = 0.1;

export interface Candidate {
  readonly facilitatorId: FacilitatorId;
  /** Epoch of the breaker under which it is admitted. */
  readonly epoch: number;
  readonly degraded: Degradation | null;
}

export interface RoutePlan {
  /** To try first, best first. Empty only when none is configured for the network or operators closed them all. */
  readonly candidates: readonly Candidate[];
  /** Behind all of them because of their breaker: the last resort, and what a probe could bring back. Best first. */
  readonly resting: readonly Candidate[];
}

/** The configured order, with what a tenant prefers before the rest. */
export function orderFor<Facilitator extends Pick<FacilitatorConfig, "preferredBy">>(
  facilitators: readonly Facilitator[],
  tenantId: string,
): readonly Facilitator[] {
  const isPreferred = ({ preferredBy = [] }: Facilitator) =>
    preferredBy.some((id) => id === tenantId);
  return facilitators.toSorted(
    (left, right) => Number(isPreferred(right)) - Number(isPreferred(left)),
  );
}

export function planRoute(route: Route, facilitators: readonly RoutableFacilitator[]): RoutePlan {
  const { kind, boundFacilitatorId } = route;
  const allowed = facilitators.filter(
    ({ id, networks, breaker }) =>
      breaker.state !== "forced_open" &&
      (boundFacilitatorId === null || id === boundFacilitatorId) &&
      (networks === null || networks.includes(kind.network)),
  );
  const listing = allowed.filter(
    ({ kinds }) => kinds === null || kinds.some((listed) => isSameKind(listed, kind)),
  );
  const equipped = listing.filter((facilitator) => supportsExtensions(facilitator, kind));
  const usable = [equipped, listing, allowed].find(({ length }) => length > 0) ?? [];
  const ordered = usable
    .map((facilitator): Candidate => ({
      facilitatorId: facilitator.id,
      epoch: facilitator.breaker.epoch,
      degraded: degradationOf(facilitator, route) ?? (listing.length > 0 ? null : "kind_unlisted"),
    }))
    .toSorted((left, right) => stepsBack(left) - stepsBack(right));
  const { awake = [], resting = [] } = Object.groupBy(ordered, (candidate) =>
    stepsBack(candidate) < BACKWARDS.half_open ? "awake" : "resting",
  );
  return awake.length > 0 ? { candidates: awake, resting } : { candidates: resting, resting: [] };
}

/**
 * The facilitator to name in a quote that will bind the payment to it: the one whose worst operation is best, the
 * configured order deciding between equals. Null when none that may be used lists the kind.
 *
 * @param plans of every operation that the payment will need
 * @param listings in order of preference
 * @param random in [0, 1)
 */
export function chooseForQuote(
  plans: readonly RoutePlan[],
  listings: readonly { readonly id: FacilitatorId; readonly kinds: readonly ListedKind[] }[],
  kind: PaymentKind,
  random: number,
): QuotedFacilitator | null {
  const choices = listings.flatMap(({ id, kinds }) => {
    const listed = kinds.find((each) => isSameKind(each, kind));
    const places = plans.map(({ candidates, resting }) =>
      [...candidates, ...resting].find(({ facilitatorId }) => facilitatorId === id),
    );
    if (listed === undefined || places.includes(undefined)) return [];
    const isTrial = random < TRIAL_QUOTES && isHalfOpen(places);
    const steps = places.map((place) => (place === undefined ? 0 : stepsBack(place)));
    const back = isTrial ? 0 : Math.max(...steps);
    return [{ facilitatorId: id, extra: listed.extra, back }];
  });
  const [best] = choices.toSorted((left, right) => left.back - right.back);
  return best === undefined ? null : { facilitatorId: best.facilitatorId, extra: best.extra };
}

/** It would be probed by now, if a payment that is bound elsewhere could do that. */
function isHalfOpen(places: readonly (Candidate | undefined)[]): boolean {
  return (
    places.some((place) => place?.degraded === "half_open") &&
    places.every((place) => place !== undefined && stepsBack(place) <= BACKWARDS.half_open)
  );
}

/** An approval that was signed for a facilitator is of no use at one that does not put it on the chain. */
function supportsExtensions(
  { kinds, extensions }: RoutableFacilitator,
  { extensions: needed = [] }: RequestedKind,
): boolean {
  return kinds === null || needed.every((key) => extensions.includes(key));
}

function degradationOf(
  { breaker, isSuspect, isPassedOver, holdsProbe }: RoutableFacilitator,
  { nowMs }: Route,
): Degradation | null {
  if (breaker.state === "open") return "open";
  if (breaker.state === "half_open" && !holdsProbe) return "half_open";
  if (breaker.rateLimitedUntilMs > nowMs) return "rate_limited";
  if (isSuspect) return "suspect";
  return isPassedOver ? "passed_over" : null;
}

/** Those that seem ill, by what this edge or others saw; one that limits us does not. */
export function illOf({ candidates, resting }: RoutePlan): FacilitatorId[] {
  const suspects = candidates.filter(({ degraded }) => degraded === "suspect");
  return [...suspects, ...resting].map(({ facilitatorId }) => facilitatorId);
}

function stepsBack({ degraded }: Candidate): number {
  return degraded === null ? 0 : BACKWARDS[degraded];
}
