/**
 * The tables and examples of docs/errors.md, from what the code says. `node test/support/errors-tables.ts` writes them into the
 * document; `test/unit/errors-document.test.ts` compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atOrigin } from "../../src/payment/platform-url.ts";
import {
  type ExplainedCode,
  GUIDED_CODES,
  REFUSAL_CODES,
  exampleAnswer,
  explainProblem,
  explainRefusal,
} from "../../src/payment/problems/problem-guide.ts";

export const ERRORS_DOCUMENT = join(import.meta.dirname, "../../docs/errors.md");

const START = "<!-- tables: written by test/support/errors-tables.ts -->\n";
const END = "<!-- end of tables -->\n";

/** The document with its tables as the code has them now. */
export function withErrorsTables(document: string): string {
  const [before = "", rest = ""] = document.split(START);
  const [, after = ""] = rest.split(END);
  const rendered = atOrigin("https://402claw.example", render);
  return `${before}${START}\n${rendered}\n${END}${after}`;
}

function render(): string {
  const problems = GUIDED_CODES.map(explainProblem);
  const onPaidPath = problems.filter(({ payment }) => payment !== undefined);
  const elsewhere = problems.filter(({ payment }) => payment === undefined);
  const refusals = REFUSAL_CODES.map(explainRefusal);
  return [
    "## A paid call\n",
    table(
      ["code", "status", "meaning", "charged", "send next", "what to do"],
      onPaidPath.map(({ code, status, title, payment, remedy }) => [
        `\`${code}\``,
        String(status),
        title,
        payment?.charged ?? "",
        payment?.next ?? "",
        remedy,
      ]),
    ),
    "## Refused payments\n",
    "Codes of a 402 that answers a payment. Nothing was charged; sign the new quote, after what the last column says.\n",
    table(["code", "cause", "what to do"], refusals.map(row)),
    "## Everything else\n",
    table(
      ["code", "status", "meaning", "what to do"],
      elsewhere.map(({ code, status, title, remedy }) => [
        `\`${code}\``,
        String(status),
        title,
        remedy,
      ]),
    ),
    "## Causes and examples\n",
    ...[...onPaidPath, ...elsewhere].map(section),
    "### A refused payment\n",
    "All of them are answered alike, with the cause in `detail`.\n",
    ...refusals.slice(0, 1).map(fenced),
  ].join("\n");
}

function section(explained: ExplainedCode): string {
  return `### \`${explained.code}\`\n\n${explained.cause}\n\n${fenced(explained)}`;
}

function fenced(explained: ExplainedCode): string {
  return `\`\`\`http\n${exampleAnswer(explained)}\n\`\`\`\n`;
}

function row({ code, cause, remedy }: ExplainedCode): readonly string[] {
  return [`\`${code}\``, cause, remedy];
}

/** Padded as the formatter pads it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  return line(head) + line(widths.map((width) => "-".repeat(width))) + rows.map(line).join("");
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(ERRORS_DOCUMENT, withErrorsTables(readFileSync(ERRORS_DOCUMENT, "utf8")));
}
