/**
 * Compares the books with the chain: what the journal says the deposit account holds, with what it holds. Part of the
 * alarm. Payments that are open widen what is allowed, so that traffic is no difference. A surplus is looked for on
 * the chain and booked as unclaimed; a difference that nothing explains and that lasts is an alert, once.
 */
import type { DepositReader } from "../../../src/chain/port.ts";
import {
  type DepositBand,
  type Verdict,
  depositBand,
  differenceFrom,
  judgeDifference,
  raise,
  widen,
} from "../../../src/settlement/reconciliation.ts";
import { type ScanDependencies, type ScanResult, scanDeposits } from "./deposit-scan.ts";
import type { DepositAccount } from "../store/reconciliation-rows.ts";
import type { SqlStore } from "../store/sql-store.ts";

/** Between comparisons while payments come in: often enough to see a loss the same hour, at one read of the chain. */
const INTERVAL_MS = 600_000;
/** After a payout, which is when a wrong balance would hurt first. */
const AFTER_PAYOUT_MS = 15_000;
/** Before a difference is believed: longer than a node lags behind its peers. */
const RECHECK_MS = 30_000;
/** After the chain could not be asked. */
const UNAVAILABLE_RETRY_MS = 60_000;
/** Between two parts of a search for what explains a surplus: payments that are due get their turn. */
const SCAN_AGAIN_MS = 1_000;
/** Above this many open payments at once the comparison waits: summing them would take longer than it is worth. */
const OPEN_PAYMENTS_MAX = 10_000;

export interface ReconcileDependencies extends ScanDependencies {
  readonly chainOf: (network: string) => DepositReader | null;
  /** Whether payments arrive in the tenant's own wallet, of which the books say nothing; null when that can't be read. */
  readonly isDirect: () => Promise<boolean | null>;
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
  const due = store.reconciliations.due(now());
  const isDirect = due.length === 0 ? null : await deps.isDirect();
  for (const asset of due) {
    if (isDirect === false) await compare(asset, deps);
    else {
      // What a tenant does with its own wallet is nobody's difference.
      const retryAtMs = isDirect === null ? now() + UNAVAILABLE_RETRY_MS : null;
      store.reconciliations.saveUnavailable(asset, now(), retryAtMs);
    }
  }
  for (const asset of store.reconciliations.moved()) {
    store.reconciliations.schedule(asset, now() + INTERVAL_MS);
  }
}

async function compare(asset: string, deps: ReconcileDependencies): Promise<void> {
  const { store, chainOf, now } = deps;
  const account = store.reconciliations.depositAccount(asset);
  const chain = account === null ? null : chainOf(account.network);
  const before = bandOf(asset, store);
  const held =
    account === null || chain === null || before === null
      ? null
      : await chain.balanceOf(asset, account.address);
  const after = bandOf(asset, store);
  if (account === null || chain === null || held === null || before === null || after === null) {
    const retryAtMs = chain === null ? null : now() + UNAVAILABLE_RETRY_MS;
    store.reconciliations.saveUnavailable(asset, now(), retryAtMs);
    return;
  }
  // Payments may have moved while the chain was asked: what was allowed before or is now, is no difference.
  const band = widen(before, after);
  const { balanceAtomic: chainAtomic, blockNumber } = held;
  const scan =
    differenceFrom(band, chainAtomic) > 0n
      ? await scanDeposits(asset, account, blockNumber, chain, deps)
      : null;
  store.transaction(() => {
    const looked = { band: raise(band, scan?.bookedAtomic ?? 0n), chainAtomic, blockNumber };
    conclude(asset, account, { ...looked, scan: scan?.result ?? null }, store, now());
  });
}

/** What one look at the chain found. */
interface Comparison {
  readonly band: DepositBand;
  readonly chainAtomic: bigint;
  /** The block after which the account held that. */
  readonly blockNumber: bigint;
  /** How the search for what explains a surplus ended; null when there was nothing to search for. */
  readonly scan: ScanResult["result"] | null;
}

function conclude(
  asset: string,
  account: DepositAccount,
  { band, chainAtomic, blockNumber, scan }: Comparison,
  store: SqlStore,
  nowMs: number,
): void {
  const depositAtomic = store.journal.balance(asset, "deposit");
  const differenceAtomic = differenceFrom(band, chainAtomic);
  const before = store.reconciliations.last(asset);
  const verdict: Verdict =
    scan === "more" && differenceAtomic !== 0n
      ? { isAlert: false, alertedAtomic: before.alertedAtomic, next: "searching" }
      : judgeDifference(before, band, differenceAtomic);
  const retryAtMs = scan === "unavailable" ? nowMs + UNAVAILABLE_RETRY_MS : null;
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
      nextCheckAtMs: nextCheckAtMs(verdict, nowMs) ?? retryAtMs,
    },
    verdict.alertedAtomic,
  );
  if (isExactMatch(band, chainAtomic)) {
    // Nothing up to here is unknown, so that a later search need not look at it.
    store.reconciliations.saveScannedBlock(asset, blockNumber);
  }
  if (!verdict.isAlert) return;
  const books = `${depositAtomic} in the books (${band.lowAtomic} to ${band.highAtomic} with open payments)`;
  const detail = `${account.address} holds ${chainAtomic} on the chain, ${books}: ${differenceAtomic}`;
  store.alerts.append("deposit_mismatch", null, detail, nowMs);
}

function isExactMatch({ lowAtomic, highAtomic }: DepositBand, chainAtomic: bigint): boolean {
  return lowAtomic === highAtomic && chainAtomic === lowAtomic;
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
    case "searching":
      return nowMs + SCAN_AGAIN_MS;
    case "idle":
      return null;
    default:
      return next satisfies never;
  }
}
