/**
 * Compares the books with the chain: what the journal says the deposit account holds, with what it holds. Part of the
 * alarm. Payments that are open widen what is allowed, so that traffic is no difference; a difference that lasts is
 * an alert, once.
 */
import type { ChainReader } from "../../src/chain/port.ts";
import {
  type DepositBand,
  type Verdict,
  depositBand,
  differenceFrom,
  judgeDifference,
  widen,
} from "../../src/settlement/reconciliation.ts";
import type { DepositAccount } from "./reconciliation-rows.ts";
import type { SqlStore } from "./sql-store.ts";

/** Between comparisons while payments come in: often enough to see a loss the same hour, at one read of the chain. */
const INTERVAL_MS = 600_000;
/** After a payout, which is when a wrong balance would hurt first. */
const AFTER_PAYOUT_MS = 15_000;
/** Before a difference is believed: longer than a node lags behind its peers. */
const RECHECK_MS = 30_000;
/** After the chain could not be asked. */
const UNAVAILABLE_RETRY_MS = 60_000;
/** Above this many open payments at once the comparison waits: summing them would take longer than it is worth. */
const OPEN_PAYMENTS_MAX = 10_000;

export interface ReconcileDependencies {
  readonly store: SqlStore;
  readonly chainOf: (network: string) => ChainReader | null;
  readonly now: () => number;
}

/** A payout has left the account for good: soon the chain must say the same as the books. */
export function reconcileAfterPayout(store: SqlStore, asset: string, nowMs: number): void {
  store.reconciliations.schedule(asset, nowMs + AFTER_PAYOUT_MS);
}

/** An operator wants to know now. */
export function requestReconciliation(store: SqlStore, nowMs: number): void {
  store.transaction(() => {
    const assets = store.reconciliations.assets();
    for (const asset of assets) store.reconciliations.schedule(asset, nowMs);
    if (assets.length > 0) store.wakeAt(nowMs);
  });
}

/** Compares what is due now, and plans a comparison of what has moved since its last. */
export async function reconcile(deps: ReconcileDependencies): Promise<void> {
  const { store, now } = deps;
  for (const asset of store.reconciliations.due(now())) await compare(asset, deps);
  for (const asset of store.reconciliations.moved()) {
    store.reconciliations.schedule(asset, now() + INTERVAL_MS);
  }
}

async function compare(
  asset: string,
  { store, chainOf, now }: ReconcileDependencies,
): Promise<void> {
  const account = store.reconciliations.depositAccount(asset);
  const chain = account === null ? null : chainOf(account.network);
  const before = bandOf(asset, store);
  const chainAtomic =
    account === null || chain === null || before === null
      ? null
      : await chain.balanceOf(asset, account.address);
  const after = bandOf(asset, store);
  if (account === null || chainAtomic === null || before === null || after === null) {
    const retryAtMs = chain === null ? null : now() + UNAVAILABLE_RETRY_MS;
    store.reconciliations.saveUnavailable(asset, now(), retryAtMs);
    return;
  }
  // Payments may have moved while the chain was asked: what was allowed before or is now, is no difference.
  const band = widen(before, after);
  store.transaction(() => conclude(asset, account, band, chainAtomic, store, now()));
}

function conclude(
  asset: string,
  account: DepositAccount,
  band: DepositBand,
  chainAtomic: bigint,
  store: SqlStore,
  nowMs: number,
): void {
  const depositAtomic = store.journal.balance(asset, "deposit");
  const differenceAtomic = differenceFrom(band, chainAtomic);
  const verdict = judgeDifference(store.reconciliations.last(asset), band, differenceAtomic);
  store.reconciliations.save(
    {
      asset,
      network: account.network,
      account: account.address,
      outcome:
        differenceAtomic === 0n ? "matches" : differenceAtomic > 0n ? "surplus" : "shortfall",
      checkedAtMs: nowMs,
      depositAtomic: String(depositAtomic),
      lowAtomic: String(band.lowAtomic),
      highAtomic: String(band.highAtomic),
      chainAtomic: String(chainAtomic),
      differenceAtomic: String(differenceAtomic),
      nextCheckAtMs: nextCheckAtMs(verdict, nowMs),
    },
    verdict.alertedAtomic,
  );
  if (!verdict.isAlert) return;
  const books = `${depositAtomic} in the books (${band.lowAtomic} to ${band.highAtomic} with open payments)`;
  const detail = `${account.address} holds ${chainAtomic} on the chain, ${books}: ${differenceAtomic}`;
  store.alerts.append("deposit_mismatch", null, detail, nowMs);
}

/** What the account may hold; null when too many payments are open to say. */
function bandOf(asset: string, store: SqlStore): DepositBand | null {
  const open = store.reconciliations.open(asset, OPEN_PAYMENTS_MAX + 1);
  if (open.length > OPEN_PAYMENTS_MAX) return null;
  return depositBand(store.journal.balance(asset, "deposit"), open);
}

function nextCheckAtMs({ next }: Verdict, nowMs: number): number | null {
  switch (next) {
    case "soon":
      return nowMs + RECHECK_MS;
    case "later":
      return nowMs + INTERVAL_MS;
    case "idle":
      return null;
    default:
      return next satisfies never;
  }
}
