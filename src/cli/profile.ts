/** Which platform a command speaks to, and as whom. */
import { basename, dirname, join } from "node:path";
import { type KeptSecrets, readSecrets } from "../local/secrets.ts";
import { readApiKeys } from "./credentials.ts";
import { CliError } from "./exit-codes.ts";
import { readManifest } from "./manifest-file.ts";

const DEFAULT_URL = "http://127.0.0.1:8402";
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Origin of the platform: the flag, then CLAW_URL, then a local one. */
export function platformUrl(flag: string | undefined): string {
  // An empty variable is how a shell unsets one for a single command.
  return originOf("CLAW_URL", flag ?? (process.env["CLAW_URL"] || DEFAULT_URL));
}

/** Origin of the operators' host, where the platform has one: the flag, then CLAW_ADMIN_URL, then the platform. */
export function adminUrl(flag: string | undefined): string {
  const text = flag ?? process.env["CLAW_ADMIN_URL"];
  return text ? originOf("CLAW_ADMIN_URL", text) : platformUrl(undefined);
}

function originOf(variable: string, text: string): string {
  if (!URL.canParse(text)) {
    throw new CliError("usage", `${variable}: ${JSON.stringify(text)} is not a URL`);
  }
  return new URL(text).origin;
}

/** Whether a URL is on this machine, where test keys and the state directory's secrets may be used unasked. */
export function isLoopback(url: string): boolean {
  return LOOPBACK_HOSTS.has(new URL(url).hostname);
}

export interface ApiKeyChoice {
  readonly url: string;
  /** `--tenant`, when given. */
  readonly tenant: string | undefined;
  /** Where `claw.json` and `.claw/` are. */
  readonly directory: string;
}

/**
 * The API key to use: CLAW_API_KEY, or the kept key of the tenant that was named, is in `claw.json`, or is the only
 * one.
 *
 * @throws CliError (usage) when there is none or the choice is open.
 */
export async function resolveApiKey(choice: ApiKeyChoice): Promise<string> {
  const fromEnvironment = process.env["CLAW_API_KEY"];
  if (fromEnvironment) return fromEnvironment;
  const keys = await readApiKeys(choice.directory, choice.url);
  const tenant = choice.tenant ?? (await readManifest(choice.directory))?.tenant;
  const known = Object.keys(keys);
  const chosen = tenant ?? (known.length === 1 ? known[0] : undefined);
  const apiKey = chosen === undefined ? undefined : keys[chosen];
  if (apiKey !== undefined) return apiKey;
  if (chosen === undefined && known.length > 1) {
    throw new CliError(
      "usage",
      `several tenants are known here: ${known.join(", ")}`,
      "choose one with --tenant",
    );
  }
  throw new CliError(
    "usage",
    `no API key for ${chosen ?? "any tenant"} at ${choice.url}`,
    "create the tenant with `claw tenant create`, or set CLAW_API_KEY",
  );
}

/**
 * The operator token: the flag, CLAW_OPERATOR_TOKEN, or for a platform on this machine its state directory's. That
 * one is looked for from here upwards, because a project usually lies below the directory `claw dev` runs in.
 */
export function resolveOperatorToken(
  flag: string | undefined,
  url: string,
  stateDir: string,
): string {
  const given = flag ?? process.env["CLAW_OPERATOR_TOKEN"];
  if (given) return given;
  if (isLoopback(url)) {
    const kept = nearestSecrets(stateDir);
    if (kept !== null) return kept.operatorToken;
  }
  throw new CliError(
    "usage",
    "no operator token",
    "give --operator-token or set CLAW_OPERATOR_TOKEN; `claw dev` prints its own at start",
  );
}

/** Secrets of the state directory, or of one by the same name in the nearest directory above. */
function nearestSecrets(stateDir: string): KeptSecrets | null {
  const name = basename(stateDir);
  for (let directory = dirname(stateDir); ; directory = dirname(directory)) {
    const secrets = readSecrets(join(directory, name));
    if (secrets !== null || directory === dirname(directory)) return secrets;
  }
}
