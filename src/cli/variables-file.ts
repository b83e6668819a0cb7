/** Reads the Worker's variables and secrets from a file: what `claw dev` has no flag for. */
import { readFile } from "node:fs/promises";
import * as z from "zod";
import { CliError } from "./exit-codes.ts";

const variablesSchema = z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.json());

/**
 * What is no text, such as a list of facilitators, becomes a variable as JSON.
 * @throws CliError (usage) when it can't be read or is no object of variables; its values are not repeated.
 */
export async function readVariables(path: string): Promise<Readonly<Record<string, string>>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error;
    throw new CliError("usage", `${path}: ${isMissing ? "it can't be read" : "it is not JSON"}`);
  }
  const parsed = variablesSchema.safeParse(value);
  if (!parsed.success) {
    throw new CliError("usage", `${path}: must be an object with names such as FACILITATORS`);
  }
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, variable]) => [
      name,
      typeof variable === "string" ? variable : JSON.stringify(variable),
    ]),
  );
}
