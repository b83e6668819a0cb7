/** What commands print: results on stdout, for people or as one JSON document; everything else on stderr. */
import { CliError, EXIT_CODES } from "./exit-codes.ts";

/** Prints a result: `value` as JSON for machines, or the text for people. */
export function printResult(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

/** Prints an error as the command's convention has it and returns the exit code. */
export function printError(json: boolean, error: unknown): number {
  const known = error instanceof CliError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  const reason = known?.reason ?? "unexpected";
  if (json) {
    const document = { error: { reason, message, remedy: known?.remedy ?? null } };
    process.stderr.write(`${JSON.stringify(document)}\n`);
  } else {
    const remedy = known?.remedy ?? null;
    process.stderr.write(`error: ${message}\n${remedy === null ? "" : `  ${remedy}\n`}`);
    if (known === null && error instanceof Error && process.env["CLAW_DEBUG"] === "1") {
      process.stderr.write(`${error.stack}\n`);
    }
  }
  return EXIT_CODES[reason];
}

/** Lines of `label  value`, the values in one column. */
export function formatFields(fields: readonly (readonly [string, string])[], indent = ""): string {
  const width = Math.max(...fields.map(([label]) => label.length));
  return fields.map(([label, value]) => `${indent}${label.padEnd(width)}  ${value}`).join("\n");
}

/** A table with a heading per column; columns are as wide as their widest cell. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [headings, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function formatTime(timeMs: number | null): string {
  return timeMs === null ? "-" : new Date(timeMs).toISOString();
}
