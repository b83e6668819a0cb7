/**
 * Another wallet for payouts: asked for with a tenant's key, announced to operators, and in place after a while unless
 * somebody cancels it. So a stolen key does not take the money before its owner can notice.
 */
import { publishAlerts } from "../alerts/publish-alerts.ts";
import type { ConfigSource } from "../config.ts";
import {
  type WalletChange,
  applyDueChanges,
  listUnannounced,
  setAnnounced,
} from "./directory/wallet-changes.ts";

/** Of one sweep; more come with the next. */
const ANNOUNCED_MAX = 50;

export type WalletAlertKind =
  | "wallet_change_requested"
  | "wallet_change_canceled"
  | "wallet_changed";

const KINDS: Readonly<Record<WalletChange["state"], WalletAlertKind>> = {
  pending: "wallet_change_requested",
  canceled: "wallet_change_canceled",
  done: "wallet_changed",
};

/** Numbers of a change's alerts within their source: a change has two states at most, one after the other. */
const ALERTS_PER_CHANGE = 2;

/** Puts the wallets in place whose time has come, and tells operators of every change they have not heard of. */
export async function sweepWalletChanges(
  env: Pick<Env, "DB" | "ALERTS"> & ConfigSource,
  nowMs: number,
): Promise<void> {
  await applyDueChanges(env.DB, nowMs);
  await announceWalletChanges(env, nowMs);
}

/** Rejects when the database or the queue is away: the next sweep goes on. */
export async function announceWalletChanges(
  env: Pick<Env, "DB" | "ALERTS"> & ConfigSource,
  nowMs: number,
): Promise<void> {
  for (const change of await listUnannounced(env.DB, ANNOUNCED_MAX)) {
    const alert = {
      alert: ALERTS_PER_CHANGE * change.changeId + (change.state === "pending" ? 0 : 1),
      kind: KINDS[change.state],
      paymentId: null,
      detail: describe(change),
      atMs: nowMs,
    };
    const source = { tenantId: change.tenantId, object: "wallet_changes" };
    await publishAlerts(env, source, [alert], nowMs);
    await setAnnounced(env.DB, change);
  }
}

function describe({ wallet, state, effectiveAtMs }: WalletChange): string {
  switch (state) {
    case "pending":
      return `payouts go to ${wallet} from ${new Date(effectiveAtMs).toISOString()} on, unless it is canceled`;
    case "canceled":
      return `payouts do not change to ${wallet}`;
    case "done":
      return `payouts go to ${wallet} from now on`;
    default:
      return state satisfies never;
  }
}
