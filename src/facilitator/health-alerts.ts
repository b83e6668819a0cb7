/** What operators should hear of the facilitators' health; `raise-alerts.ts` decides when. */

export type HealthAlertKind =
  | "facilitator_open"
  /** It was tried again, and failed again. */
  | "facilitator_probe_failed"
  | "facilitator_recovered"
  /** Nobody who is well serves a kind of payment any more; those who are ill are still tried. */
  | "no_facilitator"
  | "settle_success_low"
  /** A payment of our own did not settle (`canary.ts`). */
  | "canary_failed";

export interface HealthAlert {
  /** Rises with every alert. */
  readonly alert: number;
  readonly kind: HealthAlertKind;
  readonly detail: string;
  readonly atMs: number;
}

export interface HealthAlerts {
  /** Not in the directory yet, oldest first. */
  readonly waiting: readonly HealthAlert[];
  readonly lastAlert: number;
  /** What was alerted about and still lasts, so that it is not alerted about again. */
  readonly lasting: readonly string[];
}

export const NO_ALERTS: HealthAlerts = { waiting: [], lastAlert: 0, lasting: [] };
