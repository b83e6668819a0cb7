import { globSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** The platform may be writing just then. */
const WRITES_WITHIN_MS = 10_000;

/** Holds the write lock of every ledger in a state directory, so that they can read and not write; `close` gives one back. */
export function lockLedgers(stateDir: string): DatabaseSync[] {
  const files = globSync(`${stateDir}/worker/**/*SettlementLedger/*.sqlite`);
  return files.map((file) => {
    const database = new DatabaseSync(file, { timeout: WRITES_WITHIN_MS });
    database.exec("BEGIN IMMEDIATE");
    return database;
  });
}
