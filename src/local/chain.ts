/**
 * The embedded world's chain: anvil with x402's usual USDC on it, kept in the state directory. It runs in processes
 * of its own (see `chain-keeper.ts`) that end by themselves when this one does.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { keeperMessageSchema } from "./chain-keeper-messages.ts";
import type { KeeperMessage, KeeperOptions } from "./chain-keeper-messages.ts";
import { setUpChain } from "./chain-set-up.ts";

const KEEPER_PATH = join(import.meta.dirname, "chain-keeper.ts");
/** The keeper gives its predecessor and the node 30 seconds each. */
const START_TIMEOUT_MS = 65_000;
/** One save and the end of two processes; a node that does not answer costs 15 seconds. */
const STOP_TIMEOUT_MS = 30_000;

export interface ChainOptions {
  /** Where the chain is kept and found again; null: it is gone when it stops. */
  readonly stateDir: string | null;
  /** On the loopback; a free one when left out or 0. */
  readonly port?: number;
  /** The chain ended without being stopped, or could not be saved when it was. */
  readonly onFailure?: (reason: string) => void;
}

export interface LocalChain {
  readonly rpcUrl: string;
  /** The node's process. SIGSTOP and SIGCONT make the chain unreachable and reachable again; SIGKILL loses up to a
   * second of it. */
  readonly pid: number;
  /** Saves the chain and resolves when its processes have ended. */
  stop(): Promise<void>;
}

/**
 * Starts the chain, or the saved one again, with the token, Multicall3 and funded accounts.
 *
 * @throws Error with the node's own words when it does not start, and when another process runs the chain of
 * `stateDir`.
 */
export async function startChain(options: ChainOptions): Promise<LocalChain> {
  const keeper = forkKeeper({ stateDir: options.stateDir, port: options.port ?? 0 });
  const stop = () => stopKeeper(keeper);
  try {
    const first = await firstMessage(keeper);
    if (first.kind === "failed") throw new Error(`the local chain does not start: ${first.reason}`);
    await setUpChain(first.rpcUrl);
    keeper.on("message", (message) => {
      const { data } = keeperMessageSchema.safeParse(message);
      if (data?.kind === "failed") options.onFailure?.(data.reason);
    });
    // A program that forgets to stop its chain may still end, and takes the chain with it.
    keeper.unref();
    keeper.channel?.unref();
    return { rpcUrl: first.rpcUrl, pid: first.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function forkKeeper(options: KeeperOptions): ChildProcess {
  return fork(KEEPER_PATH, [JSON.stringify(options)], {
    // Out of this process's group: Ctrl-C in a terminal, or a kill of the group, must not end the chain unsaved.
    detached: true,
    // Flags of this process (a debugger's port, a test runner's loader) are not for the keeper.
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
}

async function firstMessage(keeper: ChildProcess): Promise<KeeperMessage> {
  const message = await new Promise<unknown>((resolve, reject) => {
    const fail = (how: string) => reject(new Error(`the local chain does not start: ${how}`));
    const timer = setTimeout(() => fail(`no word in ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    keeper.once("message", resolve);
    keeper.once("error", (error) => fail(error.message));
    keeper.once("exit", (code, signal) => fail(`its keeper ended (${signal ?? code})`));
    for (const event of ["message", "error", "exit"]) {
      keeper.once(event, () => clearTimeout(timer));
    }
  });
  return keeperMessageSchema.parse(message);
}

async function stopKeeper(keeper: ChildProcess): Promise<void> {
  const isOver = keeper.exitCode !== null || keeper.signalCode !== null;
  if (isOver || keeper.pid === undefined) return;
  keeper.ref();
  const exit = once(keeper, "exit");
  const timer = setTimeout(() => keeper.kill("SIGKILL"), STOP_TIMEOUT_MS);
  if (keeper.connected) keeper.disconnect();
  await exit;
  clearTimeout(timer);
}
