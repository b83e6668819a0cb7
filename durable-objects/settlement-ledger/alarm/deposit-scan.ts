/**
 * Finds what explains a surplus: transfers to the deposit account that are no payment. Searched in bounded ranges of
 * blocks from where the search before ended, and only as deep as settlements are confirmed at. A range, what was found
 * in it and how far the search came are one transaction, so that a crash repeats a range and books nothing twice.
 */
import type { DepositReader, TransferScan } from "../../../src/chain/port.ts";
import { foreignTransfers } from "../../../src/settlement/deposit.ts";
import type { DepositAccount } from "../store/reconciliation-rows.ts";
import type { SqlStore } from "../store/sql-store.ts";

export interface ScanDependencies {
  readonly store: SqlStore;
  /** When the deposit account became known to anybody, milliseconds since the epoch; null when that can't be read. */
  readonly openedAtMs: () => Promise<number | null>;
  readonly newDepositId: () => string;
  readonly now: () => number;
}

/** How far a block's timestamp may lie before the time it was made at: clocks of edges and block producers. */
const CLOCK_SKEW_MAX_MS = 60_000;
/** As many open payments as the comparison itself looks at. */
const AWAITED_MAX = 10_000;

export interface ScanResult {
  /** `more`: blocks are left to search, or a transfer there may still belong to an open payment. */
  readonly result: "done" | "more" | "unavailable";
  /** What the books have grown by, atomic units. */
  readonly bookedAtomic: bigint;
}

const UNAVAILABLE: ScanResult = { result: "unavailable", bookedAtomic: 0n };

/** Searches one range after the last, up to `toBlock`, and books what it finds. */
export async function scanDeposits(
  asset: string,
  account: DepositAccount,
  toBlock: bigint,
  chain: DepositReader,
  deps: ScanDependencies,
): Promise<ScanResult> {
  const { store } = deps;
  const fromBlock = await firstBlock(asset, chain, deps);
  if (fromBlock === null) return UNAVAILABLE;
  if (fromBlock > toBlock) return { result: "done", bookedAtomic: 0n };
  const scan = await chain.transfersTo(asset, account.address, { fromBlock, toBlock });
  if (scan === null || scan.searchedTo < fromBlock) return UNAVAILABLE;
  return store.transaction(() => {
    const { scannedTo, bookedAtomic } = bookForeign(asset, account, scan, deps);
    store.reconciliations.saveScannedBlock(asset, scannedTo);
    return { result: scannedTo < toBlock ? "more" : "done", bookedAtomic };
  });
}

/** The block after the last one that was searched, or one from before the account was known to anybody. */
async function firstBlock(
  asset: string,
  chain: DepositReader,
  deps: ScanDependencies,
): Promise<bigint | null> {
  const scanned = deps.store.reconciliations.scannedBlock(asset);
  if (scanned !== null) return scanned + 1n;
  const atMs = await deps.openedAtMs();
  return atMs === null ? null : chain.blockBefore(atMs - CLOCK_SKEW_MAX_MS);
}

/** @returns the sum that was booked, and the block up to which everything is known */
function bookForeign(
  asset: string,
  { network, address }: DepositAccount,
  { transfers, searchedTo }: TransferScan,
  { store, newDepositId, now }: ScanDependencies,
): { readonly scannedTo: bigint; readonly bookedAtomic: bigint } {
  const awaited = new Set(
    store.reconciliations.awaited(asset, AWAITED_MAX).map(({ payer, amountAtomic }) => {
      return `${payer} ${amountAtomic}`;
    }),
  );
  const { foreign, heldBlock } = foreignTransfers(transfers, {
    isKnown: (transfer) =>
      store.payments.paymentProvedBy(network, transfer) !== null ||
      store.deposits.at(network, transfer) !== null,
    isAwaited: ({ payer, amountAtomic }) => awaited.has(`${payer} ${amountAtomic}`),
  });
  const foundAtMs = now();
  for (const transfer of foreign) {
    const depositId = newDepositId();
    store.deposits.book({ ...transfer, depositId, network, asset, foundAtMs, claimedBy: null });
  }
  const bookedAtomic = foreign.reduce((total, { amountAtomic }) => total + amountAtomic, 0n);
  if (foreign.length > 0) {
    const detail = `${bookedAtomic} came to ${address} in ${foreign.length} transfers that are no payment`;
    store.alerts.append("unclaimed_deposit", null, detail, foundAtMs);
  }
  return { scannedTo: heldBlock === null ? searchedTo : heldBlock - 1n, bookedAtomic };
}
