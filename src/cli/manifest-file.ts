/** Reads `claw.json`, the file that describes what a tenant sells. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { manifestSchema } from "../contracts/manifest.ts";
import type { Manifest } from "../contracts/manifest.ts";
import { CliError } from "./exit-codes.ts";

export const MANIFEST_FILE = "claw.json";

/** null when the directory has none. @throws CliError (usage) naming what is wrong in it. */
export async function readManifest(directory: string): Promise<Manifest | null> {
  const path = join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const problem = error instanceof Error ? error.message : "it is not JSON";
    throw new CliError("usage", `${path}: ${problem}`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? `${issue.path.join(".")} ` : "";
  throw new CliError("usage", `${path}: ${where}${issue?.message ?? "is invalid"}`);
}

/** @throws CliError (usage) when there is none. */
export async function requireManifest(directory: string): Promise<Manifest> {
  const manifest = await readManifest(directory);
  if (manifest !== null) return manifest;
  throw new CliError(
    "usage",
    `no ${MANIFEST_FILE} in ${directory}`,
    "write one with `claw init`, or change to its directory",
  );
}
