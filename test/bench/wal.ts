/** Commits as SQLite wrote them down: in a write-ahead log each commit ends with a frame that says so. */
import { readFileSync } from "node:fs";

/** https://sqlite.org/fileformat2.html#the_write_ahead_log */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

export interface WalPosition {
  /** Changes when the log starts anew: positions before and after can't be compared. */
  readonly generation: string;
  readonly commits: number;
}

export function walPosition(path: string): WalPosition {
  const wal = readFileSync(path);
  const salts = wal.subarray(16, 24);
  const frameBytes = FRAME_HEADER_BYTES + wal.readUInt32BE(8);
  let commits = 0;
  for (let at = HEADER_BYTES; at + frameBytes <= wal.byteLength; at += frameBytes) {
    // Frames of an earlier generation follow the last one of this.
    if (!wal.subarray(at + 8, at + 16).equals(salts)) break;
    if (wal.readUInt32BE(at + 4) !== 0) commits += 1;
  }
  return { generation: salts.toString("hex"), commits };
}
