/** Every kind of alert there is, and how urgent it is. */
import type { LedgerAlertKind } from "../../durable-objects/settlement-ledger/store/alert-rows.ts";
import type { AlertSeverity } from "../contracts/admin-alerts.ts";
import type { HealthAlertKind } from "../facilitator/health-alerts.ts";
import type { WalletAlertKind } from "../tenant/wallet-changes.ts";

/**
 * `critical`: money may be at stake or payments stand still, look at once. `warning`: something works worse than it
 * should. `info`: good to know.
 */
export const ALERT_SEVERITIES: Readonly<
  Record<HealthAlertKind | LedgerAlertKind | WalletAlertKind, AlertSeverity>
> = {
  facilitator_open: "warning",
  facilitator_probe_failed: "warning",
  facilitator_recovered: "info",
  no_facilitator: "critical",
  settle_success_low: "warning",
  canary_failed: "warning",
  settlement_missing: "critical",
  late_landing: "warning",
  second_transaction: "critical",
  needs_operator: "critical",
  paid_undelivered: "warning",
  deposit_mismatch: "critical",
  unclaimed_deposit: "warning",
  budget_warning: "info",
  budget_spent: "warning",
  runaway_suspected: "warning",
  tenant_suspended: "critical",
  wallet_change_requested: "warning",
  wallet_change_canceled: "info",
  wallet_changed: "info",
};

const severities: ReadonlyMap<string, AlertSeverity> = new Map(Object.entries(ALERT_SEVERITIES));

/** Kinds of older versions, which may still be stored, are warnings. */
export function severityOf(kind: string): AlertSeverity {
  return severities.get(kind) ?? "warning";
}
