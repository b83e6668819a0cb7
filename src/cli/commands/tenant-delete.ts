/** `claw tenant delete`: ends a tenant, as its owner or as an operator. */
import type { Command } from "commander";
import * as z from "zod";
import { CliError } from "../exit-codes.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { adminUrl, platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object({
  ...jsonOption,
  url: z.url().optional(),
  confirm: z.string(),
  reason: z.string().optional(),
  operatorToken: z.string().optional(),
});

export function deleteTenantCommand(): Command {
  return newCommand(
    "delete",
    "delete a tenant that has nothing open; there is no way back: export it first",
    "claw tenant delete acme --confirm acme",
  )
    .argument("<id>", "the tenant, by its own API key")
    .requiredOption("--confirm <id>", "the same id once more")
    .option("--reason <text>", "for the audit log; operators have to give one")
    .option("--url <url>", "the platform (default: CLAW_URL, or http://127.0.0.1:8402)")
    .option("--operator-token <token>", "as an operator, instead of by its API key")
    .action(async (tenantId: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      if (options.confirm !== tenantId) {
        throw new CliError("usage", `--confirm: must be ${tenantId}`);
      }
      const { reason, operatorToken } = options;
      const deleted =
        operatorToken === undefined
          ? await asOwner(platformUrl(options.url), tenantId, reason)
          : await asOperator(
              new PlatformApi(adminUrl(options.url), operatorToken),
              tenantId,
              reason,
            );
      printResult(
        options.json,
        deleted,
        () => `${tenantId} is deleted (${formatTime(deleted.deletedAtMs)})`,
      );
    });
}

async function asOwner(url: string, tenantId: string, reason: string | undefined) {
  const choice = { url, tenant: tenantId, directory: process.cwd() };
  return new PlatformApi(url, await resolveApiKey(choice)).deleteOwnTenant(tenantId, reason);
}

async function asOperator(api: PlatformApi, tenantId: string, reason: string | undefined) {
  if (reason === undefined) throw new CliError("usage", "--reason: is needed from an operator");
  return api.deleteTenant(tenantId, reason);
}
