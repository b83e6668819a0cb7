import { createHash } from "node:crypto";

/** What a cursor belongs to: it continues this query on this version, and nothing else. */
export interface CursorScope {
  /** Names one immutable version of one dataset. */
  readonly version: string;
  /** Canonical text of the query's filter and order. */
  readonly fingerprint: string;
}

const CURSOR = /^([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{22})$/;

/**
 * Names the row a page ended with. Its digest is no secret: it only shows that the cursor comes unaltered from this
 * query, and whoever forges one gets a page of a result they may ask for anyway.
 */
export function encodeCursor(scope: CursorScope, row: number): string {
  return `${row}.${digestOf(scope, row)}`;
}

/** The row to continue after, or null when the cursor is altered or of another query or version. */
export function decodeCursor(scope: CursorScope, cursor: string): number | null {
  const [, digits, digest] = CURSOR.exec(cursor) ?? [];
  const row = Number(digits);
  return digest !== undefined && digest === digestOf(scope, row) ? row : null;
}

function digestOf({ version, fingerprint }: CursorScope, row: number): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([version, fingerprint, row]))
    .digest();
  return digest.subarray(0, 16).toString("base64url");
}
