/**
 * One platform per state directory. Two Workers runtimes on the same files would both write the same objects, so
 * exclusion rests on a lock that the kernel drops when its owner dies, however it dies: SQLite's exclusive lock on
 * `platform.lock`. Beside it `processes.json` says, for people and for the next start, who holds the lock and which
 * children it runs: a platform that was killed leaves those running, and they must end before another one starts.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import {
  endProcess,
  identifyProcess,
  isRunning,
  processIdentitySchema,
} from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** workerd and anvil end on SIGTERM within milliseconds, unless they hang. */
const ORPHAN_GRACE_MS = 2_000;
const SQLITE_BUSY = 5;

const recordSchema = z.object({
  owner: processIdentitySchema,
  /** One process per role, for example `workerd` or `chain`. */
  children: z.record(z.string(), processIdentitySchema),
});
type ProcessRecord = z.infer<typeof recordSchema>;

/** Another platform uses the directory. */
export class StateInUseError extends Error {
  override readonly name = "StateInUseError";
  readonly stateDir: string;
  /** null in the instant between taking the lock and writing down who took it. */
  readonly ownerPid: number | null;
  constructor(stateDir: string, ownerPid: number | null) {
    const owner =
      ownerPid === null ? "another platform" : `the platform with process id ${ownerPid}`;
    super(`state directory ${stateDir} is in use by ${owner}`);
    this.stateDir = stateDir;
    this.ownerPid = ownerPid;
  }
}

/** The right to use a state directory, held until `release` or the end of this process. */
export interface StateLock {
  /**
   * Ends the process that a killed platform left running in this role.
   *
   * @param graceMs how long it has between SIGTERM and SIGKILL
   * @returns whether there was one
   */
  endOrphan(role: string, graceMs?: number): Promise<boolean>;
  /** Writes down the process that now has this role, in place of the one before. */
  setChild(role: string, pid: number): void;
  /** The running process of this role. */
  childPid(role: string): number | null;
  /** Call after all children have ended. */
  release(): void;
}

/**
 * Takes the lock. The children of the owner before, if it was killed, are kept on record until they are ended.
 *
 * @throws StateInUseError when a platform that lives holds it.
 */
export function lockState(stateDir: string): StateLock {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const recordPath = join(stateDir, "processes.json");
  const database = new DatabaseSync(join(stateDir, "platform.lock"), { timeout: 0 });
  try {
    // A transaction that is never committed: closing the database, or dying, ends it.
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new StateInUseError(stateDir, readRecord(recordPath)?.owner.pid ?? null);
  }
  return holdLock(database, recordPath);
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

function holdLock(database: DatabaseSync, recordPath: string): StateLock {
  const owner = identifyProcess(process.pid);
  if (owner === null) throw new Error("this process does not find itself in the process table");
  const children = new Map<string, ProcessIdentity>(
    Object.entries(readRecord(recordPath)?.children ?? {}),
  );
  const write = () => writeRecord(recordPath, { owner, children: Object.fromEntries(children) });
  write();
  return {
    async endOrphan(role, graceMs = ORPHAN_GRACE_MS) {
      const orphan = children.get(role);
      if (orphan === undefined) return false;
      const found = isRunning(orphan);
      await endProcess(orphan, graceMs);
      children.delete(role);
      write();
      return found;
    },
    setChild(role, pid) {
      const identity = identifyProcess(pid);
      if (identity === null) return; // already over: nothing that could be left behind
      children.set(role, identity);
      write();
    },
    childPid(role) {
      const child = children.get(role);
      return child !== undefined && isRunning(child) ? child.pid : null;
    },
    release() {
      rmSync(recordPath, { force: true });
      database.close();
    },
  };
}

/** A record that does not parse says nothing about any process: as good as none. */
function readRecord(path: string): ProcessRecord | null {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}

/** Replaces the file in one step, so that a reader (or a crash) never meets half of it. */
function writeRecord(path: string, record: ProcessRecord): void {
  const draft = `${path}.draft`;
  writeFileSync(draft, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}
