/** `claw key`: a tenant's API keys. */
import { Command } from "commander";
import * as z from "zod";
import type { ApiKeyList } from "../../contracts/api-keys.ts";
import { credentialsPath, saveApiKey } from "../credentials.ts";
import {
  newCommand,
  parseOptions,
  platformOptions,
  wholeNumber,
  withPlatform,
} from "../options.ts";
import { formatFields, formatTable, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const OVERLAP_SECONDS_MAX = 604_800;

const optionsSchema = z.object(platformOptions);
const rotateOptionsSchema = z.object({
  ...platformOptions,
  overlapSeconds: wholeNumber(OVERLAP_SECONDS_MAX).optional(),
});

export function keyCommand(): Command {
  return new Command("key")
    .description("list, rotate and revoke API keys")
    .addCommand(listCommand())
    .addCommand(rotateCommand())
    .addCommand(revokeCommand());
}

function listCommand(): Command {
  return withPlatform(newCommand("list", "list keys by their prefix", "claw key list")).action(
    async (values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const list = await (await apiOf(options)).apiKeys();
      printResult(options.json, list, () => formatKeys(list));
    },
  );
}

function rotateCommand(): Command {
  return withPlatform(
    newCommand(
      "rotate",
      "make a new key; the one in use goes on working for a while",
      "claw key rotate\nclaw key rotate --overlap-seconds 3600",
    ),
  )
    .option("--overlap-seconds <n>", "how long the old key still works (default: 86400, a day)")
    .action(async (values: unknown) => {
      const options = parseOptions(rotateOptionsSchema, values);
      const rotated = await (await apiOf(options)).rotateApiKey(options.overlapSeconds);
      const { tenantId, apiKey, replaced } = rotated;
      // Whoever passes the key by the environment keeps it elsewhere.
      const isKept = !process.env["CLAW_API_KEY"];
      if (isKept) await saveApiKey(process.cwd(), platformUrl(options.url), tenantId, apiKey);
      const where = isKept ? `; kept in ${credentialsPath(".")}` : "";
      printResult(options.json, rotated, () =>
        formatFields([
          ["API key", `${apiKey} (shown once${where})`],
          ["replaces", `${replaced.prefix}…, valid until ${formatTime(replaced.expiresAtMs)}`],
        ]),
      );
    });
}

function revokeCommand(): Command {
  return withPlatform(
    newCommand("revoke", "end a key at once", "claw key revoke claw_9dQ1xZa").argument(
      "<prefix>",
      "the first 12 characters of the key",
    ),
  ).action(async (prefix: string, values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    await (await apiOf(options)).revokeApiKey(prefix);
    printResult(options.json, { prefix, revoked: true }, () => `${prefix}… is revoked`);
  });
}

async function apiOf(options: z.output<typeof optionsSchema>): Promise<PlatformApi> {
  const url = platformUrl(options.url);
  const choice = { url, tenant: options.tenant, directory: process.cwd() };
  return new PlatformApi(url, await resolveApiKey(choice));
}

function formatKeys({ keys }: ApiKeyList): string {
  return formatTable(
    ["key", "in use here", "made", "expires", "revoked"],
    keys.map(({ prefix, current, createdAtMs, expiresAtMs, revokedAtMs }) => [
      `${prefix}…`,
      current ? "yes" : "",
      formatTime(createdAtMs),
      formatTime(expiresAtMs),
      formatTime(revokedAtMs),
    ]),
  );
}
