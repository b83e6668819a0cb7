/** `claw tenant create`: the operator's command that makes a tenant and keeps its API key. */
import { resolve } from "node:path";
import { Command } from "commander";
import * as z from "zod";
import { addressSchema } from "../../contracts/tenant-api.ts";
import { collectionSchema, planIdSchema } from "../../contracts/snapshot.ts";
import { credentialsPath, saveApiKey } from "../credentials.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { formatFields, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveOperatorToken } from "../profile.ts";

const optionsSchema = z.object({
  ...jsonOption,
  url: z.url().optional(),
  wallet: addressSchema,
  plan: planIdSchema.optional(),
  collection: collectionSchema.optional(),
  operatorToken: z.string().optional(),
  state: z.string(),
});

export function tenantCommand(): Command {
  return new Command("tenant").description("manage tenants (operator)").addCommand(createCommand());
}

function createCommand(): Command {
  return newCommand(
    "create",
    "create a tenant; its API key goes to .claw/credentials.json",
    "claw tenant create acme --wallet 0x90F79bf6EB2c4f870365E785982E1f101E93b906",
  )
    .argument("<id>", "3 to 32 characters of a-z, 0-9 and hyphens")
    .requiredOption("--wallet <address>", "where payouts go")
    .option("--plan <plan>", "free, pro or scale (default: free)")
    .option("--collection <how>", "treasury or direct (default: treasury)")
    .option("--url <url>", "the platform (default: CLAW_URL, or http://127.0.0.1:8402)")
    .option("--operator-token <token>", "default: CLAW_OPERATOR_TOKEN, or the local platform's")
    .option("--state <dir>", "state directory of the local platform", ".claw")
    .action(async (tenantId: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const url = platformUrl(options.url);
      const token = resolveOperatorToken(options.operatorToken, url, resolve(options.state));
      const { wallet, plan, collection } = options;
      const tenant = await new PlatformApi(url, token).createTenant({
        tenantId,
        wallet,
        plan,
        collection,
      });
      await saveApiKey(process.cwd(), url, tenant.tenantId, tenant.apiKey);
      printResult(options.json, tenant, () =>
        formatFields([
          ["tenant", tenant.tenantId],
          ["plan", tenant.plan],
          ["deposits", tenant.payTo],
          ["payouts", tenant.wallet],
          ["API key", `${tenant.apiKey} (shown once; kept in ${credentialsPath(".")})`],
        ]),
      );
    });
}
