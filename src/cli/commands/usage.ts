/** `claw usage`: what was used today and this month, of which budgets, and whether the tenant is suspended. */
import type { Command } from "commander";
import * as z from "zod";
import type { Suspension, UsageReport } from "../../contracts/usage.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatFields, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object(platformOptions);

export function usageCommand(): Command {
  return withPlatform(
    newCommand("usage", "show what was used, and what is left of the budgets", "claw usage"),
  ).action(async (values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const url = platformUrl(options.url);
    const choice = { url, tenant: options.tenant, directory: process.cwd() };
    const usage = await new PlatformApi(url, await resolveApiKey(choice)).usage();
    printResult(options.json, usage, () => formatUsage(usage));
  });
}

function formatUsage({ suspension, today, month, budgets }: UsageReport): string {
  return formatFields([
    ["payments", suspension === null ? "taken" : formatSuspension(suspension)],
    ["today", formatCounts(today)],
    ["this month", formatCounts(month)],
    ...budgets.map(({ limit, used, budget, percent }): [string, string] => [
      limit,
      `${used} of ${budget} (${percent} %)`,
    ]),
  ]);
}

function formatSuspension({ reason, by, sinceMs, untilMs }: Suspension): string {
  const end = untilMs === null ? "until an operator resumes them" : `until ${formatTime(untilMs)}`;
  return `suspended by ${by ?? "the platform"} since ${formatTime(sinceMs)}, ${end}: ${reason}`;
}

function formatCounts({ calls, chargedCalls, refusedCalls, limitErrors }: UsageReport["today"]) {
  return `${calls} calls, ${chargedCalls} charged, ${limitErrors} over a limit, ${refusedCalls} not admitted`;
}
