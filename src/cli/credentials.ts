/** API keys on this machine: `.claw/credentials.json` in the working directory, readable by its owner only. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { CliError } from "./exit-codes.ts";

/** Platform URL → tenant → API key. */
const credentialsSchema = z.record(z.string(), z.record(z.string(), z.string()));
type Credentials = z.infer<typeof credentialsSchema>;

export function credentialsPath(directory: string): string {
  return join(directory, ".claw", "credentials.json");
}

/** Tenant → API key of one platform; empty when nothing is kept. */
export async function readApiKeys(
  directory: string,
  url: string,
): Promise<Readonly<Record<string, string>>> {
  return (await readCredentials(directory))[url] ?? {};
}

export async function saveApiKey(
  directory: string,
  url: string,
  tenantId: string,
  apiKey: string,
): Promise<void> {
  const path = credentialsPath(directory);
  const credentials = await readCredentials(directory);
  credentials[url] = { ...credentials[url], [tenantId]: apiKey };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.draft`, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.draft`, path);
}

async function readCredentials(directory: string): Promise<Credentials> {
  const path = credentialsPath(directory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  try {
    return credentialsSchema.parse(JSON.parse(text));
  } catch {
    throw new CliError(
      "usage",
      `${path} is damaged`,
      "repair or delete it; API keys can be set by CLAW_API_KEY",
    );
  }
}
