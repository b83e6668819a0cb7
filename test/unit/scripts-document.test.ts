import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Limits } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";

const MIB = 1024 * 1024;
const mib = (bytes: number) => `${bytes / MIB} MiB`;
const time = (ms: number) => (ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`);

const LIMITS: readonly [name: string, of: (limits: Limits) => string][] = [
  ["scripts", ({ scriptsMax }) => `${scriptsMax}`],
  ["modules of a script", ({ scriptModulesMax }) => `${scriptModulesMax}`],
  ["bytes of a script", ({ scriptBytesMax }) => mib(scriptBytesMax)],
  ["CPU time of a call", ({ cpuMs }) => time(cpuMs)],
  ["time until the head of the answer", ({ scriptDeadlineMs }) => time(scriptDeadlineMs)],
  ["time until the end of the answer", ({ handlerDeadlineMs }) => time(handlerDeadlineMs)],
  ["requests a call may make", ({ subRequests }) => `${subRequests}`],
  ["bytes of those requests and answers", ({ egressBytesMax }) => mib(egressBytesMax)],
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
    LIMITS.map(([name, of]) => [
      name,
      of(PLANS.free.limits),
      of(PLANS.pro.limits),
      of(PLANS.scale.limits),
    ]),
  );
});
