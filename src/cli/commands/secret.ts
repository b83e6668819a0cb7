/** `claw secret`: what a tenant's routes need to reach its own services. Values are read from stdin, never from flags. */
import { text } from "node:stream/consumers";
import { Command } from "commander";
import * as z from "zod";
import { secretNameSchema, secretValueSchema } from "../../contracts/secrets.ts";
import { CliError } from "../exit-codes.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatTable, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object(platformOptions);

export function secretCommand(): Command {
  return new Command("secret")
    .description("keep what origins ask for, encrypted")
    .addCommand(setCommand())
    .addCommand(listCommand())
    .addCommand(deleteCommand());
}

function setCommand(): Command {
  return withPlatform(
    newCommand(
      "set",
      "set a secret to what stdin has",
      "printf 'Bearer %s' \"$WEATHER_TOKEN\" | claw secret set WEATHER_KEY",
    ).argument("<name>", "A-Z, 0-9 and _"),
  ).action(async (argument: string, values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const name = checked(secretNameSchema, argument, "the name");
    // A shell's or an editor's newline at the end is not meant.
    const value = checked(secretValueSchema, (await readInput()).replace(/\r?\n$/, ""), "stdin");
    const secret = await (await apiOf(options)).putSecret(name, value);
    printResult(options.json, secret, () => `${secret.name} is set`);
  });
}

function listCommand(): Command {
  return withPlatform(
    newCommand("list", "list secrets by name; values are never shown", "claw secret list"),
  ).action(async (values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const list = await (await apiOf(options)).secrets();
    const rows = list.secrets.map(({ name, updatedAtMs }) => [name, formatTime(updatedAtMs)]);
    printResult(options.json, list, () => formatTable(["name", "set"], rows));
  });
}

function deleteCommand(): Command {
  return withPlatform(
    newCommand("delete", "delete a secret", "claw secret delete WEATHER_KEY").argument("<name>"),
  ).action(async (argument: string, values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const name = checked(secretNameSchema, argument, "the name");
    await (await apiOf(options)).deleteSecret(name);
    printResult(options.json, { name, deleted: true }, () => `${name} is deleted`);
  });
}

async function apiOf(options: z.output<typeof optionsSchema>): Promise<PlatformApi> {
  const url = platformUrl(options.url);
  const choice = { url, tenant: options.tenant, directory: process.cwd() };
  return new PlatformApi(url, await resolveApiKey(choice));
}

async function readInput(): Promise<string> {
  if (process.stdin.isTTY) {
    const remedy = 'pipe it in: printf %s "$VALUE" | claw secret set NAME';
    throw new CliError("usage", "the value is read from stdin", remedy);
  }
  return text(process.stdin);
}

/** @throws CliError (usage) that says what is wrong, without what was given */
function checked(schema: z.ZodType<string>, value: string, subject: string): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CliError("usage", `${subject} ${parsed.error.issues[0]?.message ?? "is invalid"}`);
}
