/** The ledger's history in pages, oldest first, for an export: what no other view shows whole. Read only. */
import type { ExportPage, ExportQuery } from "../../src/contracts/export.ts";
import type { Payouts } from "./outgoing/payouts.ts";
import type { Refunds } from "./outgoing/refunds.ts";

type EntryRow = {
  source_id: string;
  posting: number;
  kind: string;
  asset: string;
  account: string;
  amount_atomic: string;
  at_ms: number;
};

export function exportPage(
  sql: SqlStorage,
  payouts: Payouts,
  refunds: Refunds,
  query: ExportQuery,
): ExportPage {
  switch (query.section) {
    case "postings":
      return exportPostings(sql, query);
    case "payouts":
      return exportOutgoing(sql, query, "out_", (id) => {
        const payout = payouts.read(id);
        return payout === null ? [] : [{ type: "payout", ...payout }];
      });
    case "refunds":
      return exportOutgoing(sql, query, "ref_", (id) => {
        const refund = refunds.read(id);
        return refund === null ? [] : [{ type: "refund", ...refund }];
      });
    default:
      return query.section satisfies never;
  }
}

/**
 * The cursor is the last source of the page before: postings about one payment or deposit are a handful, and never
 * split over two pages.
 */
function exportPostings(sql: SqlStorage, { cursor, limit }: ExportQuery): ExportPage {
  const sourceIds = sql
    .exec<{ source_id: string }>(
      "SELECT DISTINCT source_id FROM journal WHERE source_id > ? ORDER BY source_id LIMIT ?",
      cursor ?? "",
      limit,
    )
    .toArray()
    .map((row) => row.source_id);
  const rows = sql
    .exec<EntryRow>(
      `SELECT source_id, posting, kind, asset, account, amount_atomic, at_ms FROM journal
       WHERE source_id IN (SELECT value FROM json_each(?)) ORDER BY source_id, posting, account`,
      JSON.stringify(sourceIds),
    )
    .toArray();
  const postings = Map.groupBy(rows, (row) => `${row.source_id} ${row.posting}`);
  return {
    lines: [...postings.values()].flatMap((entries) => {
      const [first] = entries;
      if (first === undefined) return [];
      return {
        type: "posting",
        sourceId: first.source_id,
        posting: first.posting,
        kind: first.kind,
        asset: first.asset,
        atMs: first.at_ms,
        entries: entries.map((row) => ({ account: row.account, amountAtomic: row.amount_atomic })),
      };
    }),
    nextCursor: sourceIds.length < limit ? null : (sourceIds.at(-1) ?? null),
  };
}

/** Ids begin with their kind, so that a range of them is one kind in the order of time. */
function exportOutgoing(
  sql: SqlStorage,
  { cursor, limit }: ExportQuery,
  prefix: "out_" | "ref_",
  read: (paymentId: string) => ExportPage["lines"],
): ExportPage {
  const ids = sql
    .exec<{ payment_id: string }>(
      `SELECT payment_id FROM payments
       WHERE payment_id > ?1 AND payment_id < ?2 AND direction = 'outgoing'
       ORDER BY payment_id LIMIT ?3`,
      cursor ?? prefix,
      `${prefix}~`,
      limit,
    )
    .toArray()
    .map((row) => row.payment_id);
  return {
    lines: ids.flatMap(read),
    nextCursor: ids.length < limit ? null : (ids.at(-1) ?? null),
  };
}
