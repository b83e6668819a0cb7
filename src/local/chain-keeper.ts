/**
 * The process that runs the local chain: it starts the node, makes time pass on it, saves it, and ends it together
 * with the process that started the keeper, however that one ends. To the platform a chain is the outside world, which
 * does not lose transactions when a platform is killed; so the keeper is a process of its own, in a process group of
 * its own, and takes the end of its message channel as the order to save and stop.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startAnvil } from "./anvil.ts";
import type { Anvil } from "./anvil.ts";
import { keeperOptionsSchema } from "./chain-keeper-messages.ts";
import type { KeeperMessage, KeeperOptions } from "./chain-keeper-messages.ts";
import { restoreChain, saveChain, succeedKeeper } from "./chain-state.ts";

/** How often an empty block is mined while payments are made: expiry is proved by the time of finalized blocks. */
const CLOCK_INTERVAL_MS = 1_000;
/** A chain that nobody uses keeps time more coarsely; every block costs memory and disk for as long as it lives. */
const IDLE_CLOCK_INTERVAL_MS = 15_000;
/** Longer than the authorizations of x402 clients are valid (5 minutes): those expire by the fine clock. */
const IDLE_AFTER_MS = 15 * 60_000;
/** Share of the time spent on saving; saving a long chain takes seconds. */
const SAVE_TIME_SHARE = 1 / 20;

await runKeeper(keeperOptionsSchema.parse(JSON.parse(process.argv[2] ?? "")));

async function runKeeper({ port, stateDir }: KeeperOptions): Promise<void> {
  const stop = stopOrder();
  try {
    if (stateDir !== null) await succeedKeeper(stateDir);
    const anvil = await startAnvil(port);
    try {
      if (stateDir !== null) await restoreChain(stateDir, anvil);
      report({ kind: "ready", rpcUrl: anvil.rpcUrl, pid: anvil.pid });
      await keepChain(anvil, stateDir, stop);
    } finally {
      anvil.kill();
      await anvil.ended;
    }
  } catch (error) {
    report({ kind: "failed", reason: describe(error) });
    process.exitCode = 1;
  }
  if (process.connected) process.disconnect();
}

function stopOrder(): AbortSignal {
  const stop = new AbortController();
  for (const order of ["disconnect", "SIGTERM", "SIGINT"]) {
    process.once(order, () => stop.abort());
  }
  // The parent may have ended while this process was loading.
  if (!process.connected) stop.abort();
  return stop.signal;
}

/**
 * Keeps time and saves until the order to stop, then saves for the last time.
 *
 * @throws Error when the node ends without that order, or the last save fails.
 */
async function keepChain(anvil: Anvil, stateDir: string | null, stop: AbortSignal): Promise<void> {
  const crash = new AbortController();
  void anvil.ended.then(() => crash.abort());
  const over = AbortSignal.any([stop, crash.signal]);
  const clock: Clock = { head: 0n, minedAtMs: 0, usedAtMs: Date.now() };
  let isSaved = true;
  let nextSaveMs = 0;
  while (!over.aborted) {
    try {
      const nowMs = Date.now();
      if (await advanceClock(anvil, clock, nowMs)) isSaved = false;
      if (stateDir !== null && !isSaved && nowMs >= nextSaveMs) {
        await saveChain(stateDir, anvil);
        isSaved = true;
        nextSaveMs = nowMs + (Date.now() - nowMs) / SAVE_TIME_SHARE;
      }
    } catch {
      // The node was paused from outside, or is just ending: the next round tells which.
    }
    await delay(CLOCK_INTERVAL_MS, undefined, { signal: over }).catch(() => undefined);
  }
  if (!stop.aborted) throw new Error(`the local chain is gone: ${await anvil.ended}`);
  if (stateDir !== null) await saveChain(stateDir, anvil);
}

interface Clock {
  /** The latest block when the clock last looked, or the one that it mined then. */
  head: bigint;
  minedAtMs: number;
  /** When blocks were last seen that the clock did not mine. */
  usedAtMs: number;
}

/**
 * Mines an empty block when one is due, unless a test has switched mining off.
 *
 * @returns whether anybody else has made blocks since the last call.
 */
async function advanceClock(anvil: Anvil, clock: Clock, nowMs: number): Promise<boolean> {
  const head = BigInt(String(await anvil.call("eth_blockNumber")));
  const wasUsed = head !== clock.head;
  if (wasUsed) clock.usedAtMs = nowMs;
  clock.head = head;
  const isIdle = nowMs - clock.usedAtMs >= IDLE_AFTER_MS;
  const isDue = !isIdle || nowMs - clock.minedAtMs >= IDLE_CLOCK_INTERVAL_MS;
  if (isDue && (await anvil.call("anvil_getAutomine")) === true) {
    await anvil.call("evm_mine");
    clock.head = head + 1n;
    clock.minedAtMs = nowMs;
  }
  return wasUsed;
}

/** The parent may be gone already, and then nobody needs to know. */
function report(message: KeeperMessage): void {
  if (process.connected) process.send?.(message);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
