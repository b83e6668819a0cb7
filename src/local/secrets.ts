/**
 * The secrets of an embedded platform: made once per state directory and kept there. Deposit accounts derive from the
 * seed, so a seed that cannot be read is an error; making a new one would lose sight of the money on the old accounts.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

const secretsSchema = z.object({
  operatorToken: z.string().min(16),
  quoteSecret: z.string().min(32),
  /** 32 bytes, 0x-prefixed hex. */
  depositSeed: z.string().regex(/^0x[0-9a-f]{64}$/),
  /** Signs alerts, as Standard Webhooks writes it. */
  alertWebhookSecret: z.string().regex(/^whsec_[A-Za-z0-9+/]{32}$/),
  /** Encrypts tenants' secrets: 32 bytes, base64. */
  platformKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
});
export type PlatformSecrets = z.infer<typeof secretsSchema>;
export type KeptSecrets = z.infer<typeof keptSchema>;

/** Directories of older versions lack what came later; it is made at the next start. */
const keptSchema = secretsSchema.partial({ alertWebhookSecret: true, platformKey: true });

export function secretsPath(stateDir: string): string {
  return join(stateDir, "secrets.json");
}

/** The secrets kept in this directory; null when it has none. @throws Error when they are unreadable. */
export function readSecrets(stateDir: string): KeptSecrets | null {
  const path = secretsPath(stateDir);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const parsed = keptSchema.safeParse(parseJsonOrNull(text));
  if (parsed.success) return parsed.data;
  throw new Error(`${path} is damaged: restore it, or start with another state directory`);
}

/** The secrets of this directory, made and written (readable by the owner only) at its first start. */
export function loadSecrets(stateDir: string): PlatformSecrets {
  const known = readSecrets(stateDir);
  const complete = secretsSchema.safeParse(known);
  if (complete.success) return complete.data;
  const secrets = secretsSchema.parse({
    operatorToken: `op_${randomBytes(24).toString("base64url")}`,
    quoteSecret: randomBytes(32).toString("hex"),
    depositSeed: `0x${randomBytes(32).toString("hex")}`,
    alertWebhookSecret: `whsec_${randomBytes(24).toString("base64")}`,
    platformKey: randomBytes(32).toString("base64"),
    ...known,
  });
  const draft = `${secretsPath(stateDir)}.draft`;
  writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(draft, secretsPath(stateDir));
  return secrets;
}

function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
