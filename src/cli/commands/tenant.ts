/** `claw tenant create`: the operator's command that makes a tenant and keeps its API key. */
import { resolve } from "node:path";
import { Command } from "commander";
import * as z from "zod";
import { addressSchema } from "../../contracts/address.ts";
import { collectionSchema, planIdSchema } from "../../contracts/snapshot.ts";
import { credentialsPath, saveApiKey } from "../credentials.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { formatFields, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveOperatorToken } from "../profile.ts";
import { proveWallet } from "../wallet-proof.ts";
import { deleteTenantCommand } from "./tenant-delete.ts";
import { resumeTenantCommand, suspendTenantCommand } from "./tenant-suspension.ts";

const optionsSchema = z.object({
  ...jsonOption,
  url: z.url().optional(),
  wallet: addressSchema,
  plan: planIdSchema.optional(),
  collection: collectionSchema.optional(),
  walletKey: z.string().optional(),
  walletNonce: z.string().optional(),
  walletSignature: z.string().optional(),
  operatorToken: z.string().optional(),
  state: z.string(),
});

export function tenantCommand(): Command {
  return new Command("tenant")
    .description("create, suspend and resume tenants (operator), and delete them")
    .addCommand(createCommand())
    .addCommand(suspendTenantCommand())
    .addCommand(resumeTenantCommand())
    .addCommand(deleteTenantCommand());
}

function createCommand(): Command {
  return newCommand(
    "create",
    "create a tenant; its API key goes to .claw/credentials.json",
    "claw tenant create acme --wallet 0x90F79bf6EB2c4f870365E785982E1f101E93b906",
  )
    .argument("<id>", "3 to 32 characters of a-z, 0-9 and hyphens")
    .requiredOption("--wallet <address>", "where payouts go, or payments with --collection direct")
    .option("--plan <plan>", "free, pro or scale (default: free)")
    .option("--collection <how>", "treasury or direct (default: treasury)")
    .option("--wallet-key <file>", "direct: sign with the private key in this file")
    .option("--wallet-nonce <nonce>", "direct: of the message that the wallet signed")
    .option("--wallet-signature <hex>", "direct: what the wallet signed it with")
    .option("--url <url>", "the platform (default: CLAW_URL, or http://127.0.0.1:8402)")
    .option("--operator-token <token>", "default: CLAW_OPERATOR_TOKEN, or the local platform's")
    .option("--state <dir>", "state directory of the local platform", ".claw")
    .action(async (tenantId: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const url = platformUrl(options.url);
      const token = resolveOperatorToken(options.operatorToken, url, resolve(options.state));
      const { wallet, plan, collection } = options;
      const api = new PlatformApi(url, token);
      const walletProof =
        collection === "direct" ? await proveWallet(api, tenantId, options) : undefined;
      const request = { tenantId, wallet, plan, collection, walletProof };
      const tenant = await api.createTenant(request);
      await saveApiKey(process.cwd(), url, tenant.tenantId, tenant.apiKey);
      printResult(options.json, tenant, () =>
        formatFields([
          ["tenant", tenant.tenantId],
          ["plan", tenant.plan],
          ["paid to", tenant.payTo],
          ...(tenant.collection === "treasury" ? [["payouts", tenant.wallet] as const] : []),
          ["API key", `${tenant.apiKey} (shown once; kept in ${credentialsPath(".")})`],
        ]),
      );
    });
}
