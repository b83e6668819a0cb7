/**
 * The table of values in docs/limits.md, from what the code says. `node test/support/limits-tables.ts` writes it into
 * the document; a test says when that is due.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CEILINGS, LIMIT_NAMES, type LimitName } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";

export const LIMITS_DOCUMENT = join(import.meta.dirname, "../../docs/limits.md");

const MEANINGS: Readonly<Record<LimitName, string>> = {
  requestBytesMax: "body of a call",
  responseBytesMax: "answer of a handler",
  retentionMs: "how long an answer can be fetched again",
  handlerDeadlineMs: "until the end of a handler's answer",
  scriptDeadlineMs: "until the head of a script's answer",
  cpuMs: "CPU time of one run of a script",
  subRequests: "requests of one run of a script",
  egressHostsMax: "hosts that scripts may go to",
  egressBytesMax: "bodies of those requests and answers",
  scriptsMax: "scripts",
  scriptModulesMax: "modules of a script",
  scriptBytesMax: "modules of a script together",
  datasetRowsMax: "rows of a dataset",
  datasetBytesMax: "file of a dataset",
  requestsPerSecond: "new payments a second",
  concurrentCalls: "calls at a time",
  callsPerDay: "runs of handlers a day",
  callsPerMonth: "and a month",
  egressBytesPerDay: "bodies to and from other hosts a day",
  egressBytesPerMonth: "and a month",
  cpuMsPerDay: "CPU time of scripts a day, estimated",
  cpuMsPerMonth: "and a month",
  durationMsPerDay: "wall clock of handlers a day",
  durationMsPerMonth: "and a month",
};

const MIB = 1024 * 1024;
const SECOND_MS = 1_000;
const DAY_MS = 86_400 * SECOND_MS;

/** The document with the tables that it should have. */
export function withLimitsTables(document: string): string {
  return document.replace(
    /<!-- values -->[^#]*?(?=\n\nWhen a budget)/,
    `<!-- values -->\n\n${table()}`,
  );
}

/** Padded as the formatter pads it. */
function table(): string {
  const columns = [PLANS.free.limits, PLANS.pro.limits, PLANS.scale.limits, CEILINGS];
  const rows = [
    ["limit", "what", "free", "pro", "scale", "ceiling"],
    ...LIMIT_NAMES.map((name) => [
      `\`${name}\``,
      MEANINGS[name],
      ...columns.map((limits) => formatLimit(name, limits[name])),
    ]),
  ];
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

function formatLimit(name: LimitName, value: number): string {
  if (name.includes("Bytes")) return formatBytes(value);
  if (/Ms/.test(name)) return formatTime(value);
  return value.toLocaleString("en");
}

function formatBytes(bytes: number): string {
  if (bytes % MIB !== 0) return `${bytes / 1_000_000} MB`;
  const mib = bytes / MIB;
  return mib % 1_024 === 0 ? `${(mib / 1_024).toLocaleString("en")} GiB` : `${mib} MiB`;
}

function formatTime(ms: number): string {
  if (ms % DAY_MS === 0) return `${ms / DAY_MS} d`;
  return ms % SECOND_MS === 0 ? `${(ms / SECOND_MS).toLocaleString("en")} s` : `${ms} ms`;
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(LIMITS_DOCUMENT, withLimitsTables(readFileSync(LIMITS_DOCUMENT, "utf8")));
}
