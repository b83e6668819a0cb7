/** The measurements as the tables of docs/performance.md, in Markdown. */
import type { CpuInfo } from "node:os";
import type { Comparison, Summary } from "./compare.ts";
import type { FacilitatorsReport } from "./measure-facilitators.ts";
import { DELAY_MS } from "./offer.ts";
import type { MediumReport, SizeReport } from "./measure-medium.ts";
import type { ScriptsReport } from "./measure-scripts.ts";

export function printMachine(machine: readonly CpuInfo[], isQuick: boolean): void {
  const model = machine[0]?.model.trim() ?? "unknown";
  const extent = isQuick ? ", quick run" : "";
  print(`${machine.length} cores (${model}), Node ${process.version}${extent}`);
}

export function printMedium({
  medium,
  paid,
  unpaid,
  garbage,
  replay,
  slow,
  slowAtOnce,
  alongside,
  costs,
  size,
}: MediumReport): void {
  print(`\n### On ${medium.name}\n`);
  table(
    [
      "what",
      "connections",
      "402claw /s",
      "@x402/hono /s",
      "rate ×",
      "p50 ×",
      "402claw p50/p95/p99 ms",
      "@x402/hono p50/p95/p99 ms",
    ],
    [
      ...paid.map((each) => comparisonRow("paid call", each.concurrency, each)),
      comparisonRow("paid call, verify 100 ms, settle 400 ms", 16, slow),
      comparisonRow("the same, first requests all at once", 16, slowAtOnce),
      comparisonRow(
        `verify 100 ms, settle 400 ms, ${DELAY_MS} ms handler, ours alongside`,
        16,
        alongside,
      ),
      comparisonRow("402", 16, unpaid),
    ],
  );
  const paidAt16 = paid.find(({ concurrency }) => concurrency === 16);
  const perPaid = replay.callsPerSecond / (paidAt16?.ours.callsPerSecond ?? Number.NaN);
  print(
    `\nReplay at 16 connections: ${round(replay.callsPerSecond)} /s, ${perPaid.toFixed(2)} × the rate of paid calls (p50/p95/p99 ${quantiles(replay)} ms).\n`,
  );
  table(
    [
      "per paid call",
      "ledger requests",
      "beside it (alarms, late news)",
      "rows written",
      "durable commits",
    ],
    costs.map((cost) => [
      `${cost.concurrency} connections`,
      cost.requests.toFixed(2),
      cost.backgroundRequests.toFixed(2),
      cost.rowsWritten.toFixed(1),
      cost.commits?.toFixed(2) ?? "not seen",
    ]),
  );
  if (garbage.length > 0) printGarbage(garbage);
  if (size !== null) printSize(size);
}

function printGarbage(garbage: MediumReport["garbage"]): void {
  print("");
  table(
    ["what brings nothing", "answers /s", "cost of one, in 402s", "p50/p95/p99 ms"],
    garbage.map(({ what, comparison: { ours, rateRatio } }) => [
      what,
      round(ours.callsPerSecond),
      (1 / rateRatio).toFixed(2),
      quantiles(ours),
    ]),
  );
}

export function printFacilitators({ routingUs, healthy, outage }: FacilitatorsReport): void {
  const share = (routingUs / 1_000 / healthy.p50Ms) * 100;
  print("\n### Two facilitators\n");
  print(
    `Routing adds ${routingUs.toFixed(0)} µs to a paid call of ${healthy.p50Ms.toFixed(1)} ms (p50, 50 ms per facilitator call): ${share.toFixed(2)} %.\n`,
  );
  table(
    ["while the first one hangs", "402claw", "@x402/hono"],
    [
      ["served", ...[outage.ours, outage.reference].map(({ served }) => (served ? "yes" : "no"))],
      [
        "answers in 20 s at 8 connections",
        String(outage.ours.calls),
        String(outage.reference.calls),
      ],
      ["p50 / p95 / p99 ms", quantiles(outage.ours), quantiles(outage.reference)],
    ],
  );
}

export function printScripts({ dispatch, warm, ...calls }: ScriptsReport): void {
  print("\n### Scripts\n");
  table(
    [
      "the same code",
      "connections",
      "as a script /s",
      "called directly /s",
      "rate ×",
      "p50 ×",
      "script p50/p95/p99 ms",
      "directly p50/p95/p99 ms",
    ],
    dispatch.map((each) => comparisonRow("not paid", each.concurrency, each)),
  );
  print("");
  table(
    ["one call at a time", "p50/p95/p99 ms", "p50, in warm calls"],
    [
      ["warm call", warm] as const,
      ["first call of a script, the first 50 tenants", calls.coldFirst] as const,
      ["first call of a script, tenants 951 to 1000", calls.coldLast] as const,
      ["warm call after all of those", calls.warmAmongAll] as const,
      ["the thousandth tenant's script again", calls.lastAgain] as const,
    ].map(([what, summary]) => [what, quantiles(summary), (summary.p50Ms / warm.p50Ms).toFixed(1)]),
  );
}

function printSize({ sizes: [small, large], claimUs, claimRatio, paidRatio }: SizeReport): void {
  print("");
  table(
    ["payments in the ledger", String(small), String(large), "×"],
    [
      ["claim and release, µs", ...claimUs.map((us) => us.toFixed(1)), claimRatio.toFixed(2)],
      ["paid calls per second at 16 connections", "1", paidRatio.toFixed(2), paidRatio.toFixed(2)],
    ],
  );
}

function comparisonRow(what: string, connections: number, each: Comparison): string[] {
  return [
    what,
    String(connections),
    round(each.ours.callsPerSecond),
    round(each.reference.callsPerSecond),
    each.rateRatio.toFixed(2),
    each.p50Ratio.toFixed(2),
    quantiles(each.ours),
    quantiles(each.reference),
  ];
}

function quantiles({ p50Ms, p95Ms, p99Ms }: Summary): string {
  return [p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(1)).join(" / ");
}

function round(value: number): string {
  return String(Math.round(value));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  print(`| ${head.join(" | ")} |`);
  print(`|${" --- |".repeat(head.length)}`);
  for (const row of rows) print(`| ${row.join(" | ")} |`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
