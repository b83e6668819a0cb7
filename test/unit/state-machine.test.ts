import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { transitionTable } from "../support/transition-table.ts";

/** The formatter pads the document's cells; the content is what counts. */
function cells(markdown: string): string {
  return markdown.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");
}

test("docs/state-machine.md shows the transitions of the code", () => {
  const document = readFileSync(new URL("../../docs/state-machine.md", import.meta.url), "utf8");
  expect(cells(document)).toContain(cells(transitionTable()));
});
