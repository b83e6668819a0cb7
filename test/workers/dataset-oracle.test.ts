/**
 * The meaning of a query, checked against an oracle without SQL: random rows are stored in a real DatasetStore, random
 * queries go through URL, grammar, SQL, workerd's SQLite and body, and must give what the oracle gives. It runs here
 * and not on Node's SQLite because versions and limits differ, and because the boundaries are part of the claim.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { ColumnType } from "../../src/contracts/snapshot.ts";
import {
  DOMAINS,
  evaluate,
  fieldsArbitrary,
  filtersArbitrary,
  orderArbitrary,
  renderQuery,
  type Fields,
} from "../support/dataset-oracle.ts";
import { openShop, parseText, type Shop } from "../support/datasets.ts";

const TYPES = Object.fromEntries(
  Object.entries(DOMAINS).map(([name, { type }]) => [name, type as ColumnType]),
);
const PAGES_MAX = 50;

async function openShopOf(rows: readonly Fields[], indexes: string[]): Promise<Shop> {
  const text = rows.map((row) => JSON.stringify(row)).join("\n");
  return openShop(parseText(text, "ndjson", TYPES), { key: "id", indexes });
}

interface Page {
  data: Fields[];
  nextCursor: string | null;
  count: number;
}

/** All pages, following cursors to the end. */
async function readAll(shop: Shop, parameters: URLSearchParams): Promise<Page[]> {
  const pages: Page[] = [];
  let cursor: string | null = "";
  while (cursor !== null && pages.length < PAGES_MAX) {
    if (cursor !== "") parameters.set("cursor", cursor);
    const response = await shop.get(`?${parameters.toString()}`);
    if (response.status !== 200) throw new Error(await response.text());
    const page: Page = await response.json();
    pages.push(page);
    cursor = page.nextCursor;
  }
  return pages;
}

it("gives the rows, order, pages and count that an oracle without SQL gives", async () => {
  const rowsArbitrary = fc
    .array(fieldsArbitrary, { minLength: 1, maxLength: 40 })
    .map((rows) => rows.map((row, id): Fields => ({ id, ...row })));
  const queries = fc.array(fc.tuple(filtersArbitrary, orderArbitrary), {
    minLength: 6,
    maxLength: 6,
  });
  const indexes = fc.subarray(["i", "x", "s", "t"]);
  await fc.assert(
    fc.asyncProperty(
      rowsArbitrary,
      queries,
      indexes,
      fc.integer({ min: 1, max: 15 }),
      async (rows, cases, indexed, limit) => {
        const shop = await openShopOf(rows, indexed);
        for (const [filters, order] of cases) {
          const parameters = renderQuery(filters, order);
          parameters.set("limit", String(limit));
          parameters.set("count", "exact");
          const expected = evaluate(rows, filters, order);
          const pages = await readAll(shop, parameters);
          expect(pages.flatMap(({ data }) => data)).toEqual(expected);
          expect(pages.map(({ count }) => count)).toEqual(pages.map(() => expected.length));
          expect(pages.slice(0, -1).every(({ data }) => data.length === limit)).toBe(true);
        }
      },
    ),
    { numRuns: 120 },
  );
}, 240_000);
