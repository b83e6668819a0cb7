import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PLANS, type Plan } from "../../src/tenant/plans.ts";

const MIB = 1024 * 1024;
const mib = (bytes: number) => `${bytes / MIB} MiB`;
const time = (ms: number) => (ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`);

const LIMITS: readonly [name: string, of: (plan: Plan) => string][] = [
  ["scripts", ({ scripts }) => `${scripts.countMax}`],
  ["modules of a script", ({ scripts }) => `${scripts.modulesMax}`],
  ["bytes of a script", ({ scripts }) => mib(scripts.bytesMax)],
  ["CPU time of a call", ({ scripts }) => time(scripts.cpuMs)],
  ["time until the head of the answer", ({ scripts }) => time(scripts.deadlineMs)],
  ["time until the end of the answer", ({ handlerDeadlineMs }) => time(handlerDeadlineMs)],
  ["requests a call may make", ({ scripts }) => `${scripts.subRequests}`],
  ["bytes of those requests and answers", ({ scripts }) => mib(scripts.egressBytesMax)],
  ["body of the call", ({ requestBytesMax }) => mib(requestBytesMax)],
  ["body of the answer", ({ responseBytesMax }) => mib(responseBytesMax)],
];

test("docs/scripts.md says of each limit what the plans say", () => {
  const document = readFileSync(join(import.meta.dirname, "../../docs/scripts.md"), "utf8");
  const section = document.slice(document.indexOf("## Limits"), document.indexOf("## Where"));
  const rows = section
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1)
    .filter((line) => !line.startsWith("| -"))
    .map((line) =>
      line
        .split("|")
        .slice(1, 5)
        .map((cell) => cell.trim()),
    );
  expect(rows).toEqual(
    LIMITS.map(([name, of]) => [name, of(PLANS.free), of(PLANS.pro), of(PLANS.scale)]),
  );
});
