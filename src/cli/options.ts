/** Flags that several commands share, and the one place where commander's untyped values become typed. */
import { Command } from "commander";
import * as z from "zod";
import { CliError } from "./exit-codes.ts";

/** A command with `--json` and an example below its help. */
export function newCommand(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .option("--json", "print one JSON document, for machines")
    .addHelpText("after", `\nExample:\n${example.replace(/^/gm, "  ")}`);
}

/** Adds the flags that say which platform and tenant a command speaks to. */
export function withPlatform(command: Command): Command {
  return command
    .option("--url <url>", "the platform (default: CLAW_URL, or http://127.0.0.1:8402)")
    .option("--tenant <id>", "whose API key to use (default: the tenant of claw.json)");
}

export const jsonOption = { json: z.boolean().default(false) };

export const platformOptions = {
  ...jsonOption,
  url: z.url({ protocol: /^https?$/, error: "must be an http(s) URL" }).optional(),
  tenant: z.string().optional(),
};

/** A flag that is a whole number from 0 to `max`; the empty text, which JavaScript takes for 0, is none. */
export function wholeNumber(max: number) {
  const error = `must be a whole number from 0 to ${max}`;
  return z
    .string()
    .regex(/^[0-9]{1,15}$/, error)
    .transform(Number)
    .pipe(z.number().max(max, error));
}

/** Collects a repeatable flag. */
export function repeatable(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

/** @throws CliError (usage) that names the flag. */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  values: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const flag = String(issue?.path[0] ?? "").replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  throw new CliError("usage", `--${flag}: ${issue?.message ?? "is invalid"}`);
}
