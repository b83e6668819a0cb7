import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { transitionTable } from "../support/transition-table.ts";

/** The formatter pads the document's cells; the content is what counts. */
function cells(markdown: string): string {
  return markdown.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");
}

test("docs/state-machine.md shows the transitions of the code", () => {
  const document = readFileSync(join(import.meta.dirname, "../../docs/state-machine.md"), "utf8");
  expect(cells(document)).toContain(cells(transitionTable()));
});
