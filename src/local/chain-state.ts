/** The saved form of the local chain: one gzipped JSON file, as anvil exports it, replaced in one step. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import type { Anvil } from "./anvil.ts";
import { identifyProcess, isRunning, processIdentitySchema } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A keeper whose platform was killed is saving its chain at this moment; that takes seconds at most. */
const PREDECESSOR_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 25;

const STATE_FILE = "chain.json.gz";
const KEEPER_FILE = "chain-keeper.json";

const hexSchema = z.string().regex(/^0x[0-9a-f]+$/);

/** Loads the saved chain into a node that has just started; a directory without one leaves the node as it is. */
export async function restoreChain(stateDir: string, anvil: Anvil): Promise<void> {
  const path = join(stateDir, STATE_FILE);
  const state = await readFile(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
  if (state === null) return;
  try {
    await anvil.call("anvil_loadState", `0x${state.toString("hex")}`);
  } catch (cause) {
    throw new Error(`${path} cannot be restored; without it a new chain begins`, { cause });
  }
  // Only the state at the last saved block can be read. Two blocks on top make that block the finalized one, which
  // readers of finalized state would otherwise miss for the first seconds.
  await anvil.call("anvil_mine", "0x2", "0x0");
}

/** A crash at any moment leaves the file of before or the new one, never a part. */
export async function saveChain(stateDir: string, anvil: Anvil): Promise<void> {
  const state = hexSchema.parse(await anvil.call("anvil_dumpState"));
  const path = join(stateDir, STATE_FILE);
  const draft = `${path}.draft`;
  await writeFile(draft, Buffer.from(state.slice(2), "hex"), { mode: 0o600 });
  await rename(draft, path);
}

/**
 * Waits until the keeper before has saved and ended, then writes down this process as the keeper.
 *
 * @throws Error when it does not end: two keepers would overwrite each other's chain.
 */
export async function succeedKeeper(stateDir: string): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, KEEPER_FILE);
  const predecessor = await readFile(path, "utf8").then(
    (text) => processIdentitySchema.parse(JSON.parse(text)),
    () => null,
  );
  if (predecessor !== null) await expectEnd(predecessor, stateDir);
  await writeFile(path, `${JSON.stringify(identifyProcess(process.pid))}\n`, { mode: 0o600 });
}

async function expectEnd(predecessor: ProcessIdentity, stateDir: string): Promise<void> {
  const deadlineMs = Date.now() + PREDECESSOR_TIMEOUT_MS;
  while (isRunning(predecessor)) {
    if (Date.now() >= deadlineMs) {
      throw new Error(`the chain in ${stateDir} is run by process ${predecessor.pid}`);
    }
    await delay(POLL_INTERVAL_MS);
  }
}
