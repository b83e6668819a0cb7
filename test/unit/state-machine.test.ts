import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fulfilmentTable, transitionTable } from "../support/transition-table.ts";

/** The formatter pads the document's cells; the content is what counts. */
function cells(markdown: string): string {
  return markdown.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");
}

test.each([
  ["the transitions", transitionTable()],
  ["what happens to upfront payments", fulfilmentTable()],
])("docs/state-machine.md shows %s of the code", (_what, table) => {
  const document = readFileSync(join(import.meta.dirname, "../../docs/state-machine.md"), "utf8");
  expect(cells(document)).toContain(cells(table));
});
