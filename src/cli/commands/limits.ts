/** `claw limits`: what a tenant may use, and how it asks its operator for more. */
import type { Command } from "commander";
import * as z from "zod";
import type { LimitsAnswer, OverrideView } from "../../contracts/limit-overrides.ts";
import { LIMIT_NAMES, limitNameSchema, type RaisedLimits } from "../../tenant/limits.ts";
import { CliError } from "../exit-codes.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatTable, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object(platformOptions);
const requestOptionsSchema = z.object({ ...platformOptions, reason: z.string() });

export function limitsCommand(): Command {
  return withPlatform(newCommand("limits", "show what a tenant may use", "claw limits"))
    .action(async (values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const limits = await (await apiOf(options)).limits();
      printResult(options.json, limits, () => formatLimits(limits));
    })
    .addCommand(requestCommand())
    .addCommand(listCommand());
}

function requestCommand(): Command {
  return withPlatform(
    newCommand(
      "request",
      "ask for higher limits",
      'claw limits request cpuMs=500 subRequests=20 --reason "scoring takes 300 ms"',
    )
      .argument("<limit=value...>", "by their names in claw limits")
      .requiredOption("--reason <text>", "what for, in a sentence or two"),
  ).action(async (pairs: string[], _values: unknown, command: Command) => {
    const options = parseOptions(requestOptionsSchema, command.optsWithGlobals());
    const limits = parsePairs(pairs);
    const override = await (await apiOf(options)).requestOverride(limits, options.reason);
    printResult(
      options.json,
      override,
      () => `${override.overrideId} waits for an operator: ${formatValues(override.requested)}`,
    );
  });
}

function listCommand(): Command {
  return withPlatform(
    newCommand("requests", "list what was asked for and decided", "claw limits requests"),
  ).action(async (_values: unknown, command: Command) => {
    const options = parseOptions(optionsSchema, command.optsWithGlobals());
    const list = await (await apiOf(options)).overrides();
    printResult(options.json, list, () => formatOverrides(list.overrides));
  });
}

async function apiOf(options: z.output<typeof optionsSchema>): Promise<PlatformApi> {
  const url = platformUrl(options.url);
  const choice = { url, tenant: options.tenant, directory: process.cwd() };
  return new PlatformApi(url, await resolveApiKey(choice));
}

/** @throws CliError (usage) that names the argument */
function parsePairs(pairs: readonly string[]): RaisedLimits {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [text = "", value = ""] = pair.split("=", 2);
      const name = limitNameSchema.safeParse(text);
      if (name.success && /^[0-9]{1,15}$/.test(value)) return [name.data, Number(value)];
      const fault = name.success ? "must have a whole number behind the =" : "is no limit";
      throw new CliError("usage", `${pair} ${fault}`, "`claw limits` lists them by name");
    }),
  );
}

function formatLimits({ plan, limits, planLimits, ceilings, overrides }: LimitsAnswer): string {
  const rows = LIMIT_NAMES.map((name) => [
    name,
    `${limits[name]}`,
    `${planLimits[name]}`,
    `${ceilings[name]}`,
  ]);
  const table = formatTable(["limit", "in force", `${plan} plan`, "ceiling"], rows);
  const ends = overrides.map(
    ({ overrideId, approved, expiresAtMs }) =>
      `${overrideId} raises ${formatValues(approved ?? {})}${expiresAtMs === null ? "" : ` until ${formatTime(expiresAtMs)}`}`,
  );
  return [table, `when a budget is spent: ${limits.onBudgetSpent}`, ...ends].join("\n");
}

function formatOverrides(overrides: readonly OverrideView[]): string {
  const rows = overrides.map((override) => [
    override.overrideId,
    override.status,
    formatValues(override.requested),
    override.approved === null ? "-" : formatValues(override.approved),
    formatTime(override.expiresAtMs),
    override.decisionReason ?? "-",
  ]);
  return formatTable(["id", "status", "asked for", "granted", "until", "because"], rows);
}

function formatValues(limits: RaisedLimits): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}
