/** `claw tenant suspend` and `claw tenant resume`: an operator stops a tenant's new payments, or takes them again. */
import { resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { adminUrl, resolveOperatorToken } from "../profile.ts";

const optionsSchema = z.object({
  ...jsonOption,
  url: z.url().optional(),
  reason: z.string(),
  operatorToken: z.string().optional(),
  state: z.string(),
});

const suspendOptionsSchema = optionsSchema.extend({ expiresAt: z.string().optional() });

export function suspendTenantCommand(): Command {
  return forOperators(
    newCommand(
      "suspend",
      "take no new payments of a tenant, from the next call on; what is under way ends as usual",
      'claw tenant suspend acme --reason "asked for by its owner"',
    ),
  )
    .option("--expires-at <time>", "when it ends by itself, for example 2027-01-31T06:00:00Z")
    .action(async (tenantId: string, values: unknown) => {
      const options = parseOptions(suspendOptionsSchema, values);
      const { reason, expiresAt } = options;
      const state = await operatorApi(options).suspendTenant(tenantId, { reason, expiresAt });
      const until = state.suspension?.untilMs ?? null;
      printResult(options.json, state, () =>
        until === null
          ? `${tenantId} is suspended until \`claw tenant resume\``
          : `${tenantId} is suspended until ${formatTime(until)}`,
      );
    });
}

export function resumeTenantCommand(): Command {
  return forOperators(
    newCommand(
      "resume",
      "take new payments of a suspended tenant again",
      'claw tenant resume acme --reason "the script is fixed"',
    ),
  ).action(async (tenantId: string, values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const state = await operatorApi(options).resumeTenant(tenantId, options.reason);
    printResult(options.json, state, () => `${tenantId} is on sale again`);
  });
}

function forOperators(command: Command): Command {
  return command
    .argument("<id>", "the tenant")
    .requiredOption("--reason <text>", "for the audit log")
    .option("--url <url>", "where /admin is (default: CLAW_ADMIN_URL, then CLAW_URL)")
    .option("--operator-token <token>", "default: CLAW_OPERATOR_TOKEN, or the local platform's")
    .option("--state <dir>", "state directory of the local platform", ".claw");
}

function operatorApi({ url, operatorToken, state }: z.infer<typeof optionsSchema>): PlatformApi {
  const origin = adminUrl(url);
  return new PlatformApi(origin, resolveOperatorToken(operatorToken, origin, resolve(state)));
}
