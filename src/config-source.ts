/** How values of the configuration are read: text, JSON and secrets, each with an error that names its key. */
import * as z from "zod";

/** Names the key that is wrong and what is wrong with it. Secrets' values never appear in the message. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly key: string;
  constructor(key: string, problem: string) {
    super(`configuration ${key}: ${problem}`);
    this.key = key;
  }
}

/** Names something that is configured. */
export const configIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 characters of a-z, 0-9 and -");

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Services are reached over TLS; plain HTTP is for this machine only (local chain, tests). */
export const serviceUrlSchema = z
  .url()
  .refine((text) => isSecureOrLoopback(new URL(text)), "must be https (http only on the loopback)");

/** Where the configuration has the name of a secret, never the secret. */
export const secretNameSchema = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, "must be the name of a Worker secret");

/** @throws ConfigError when it is shorter than `lengthMin` characters. */
export function parseText(key: string, value: string | undefined, lengthMin: number): string {
  if (value === undefined || value.length < lengthMin) {
    throw new ConfigError(key, `must be set, with at least ${lengthMin} characters`);
  }
  return value;
}

/** @throws ConfigError naming the path within the value of what does not fit. */
export function parseJson<Parsed>(
  key: string,
  text: string | undefined,
  schema: z.ZodType<Parsed>,
): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    throw new ConfigError(key, "must be JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ConfigError(
    key,
    `${issue?.path.join(".") ?? ""} ${issue?.message ?? "is invalid"}`.trim(),
  );
}

/** @throws ConfigError when two have the same id. */
export function expectUniqueIds(key: string, items: readonly { readonly id: string }[]): void {
  const ids = items.map(({ id }) => id);
  const duplicate = ids.find((id, index) => ids.indexOf(id) !== index);
  if (duplicate !== undefined) throw new ConfigError(key, `id ${duplicate} is used twice`);
}

/**
 * The secret that `key` names, for `needer`.
 * @throws ConfigError when the environment has none of that name.
 */
export function readSecret(source: object, key: string, name: string, needer: string): string {
  const secret: unknown = Reflect.get(source, name);
  if (typeof secret === "string" && secret !== "") return secret;
  throw new ConfigError(key, `${needer} needs the secret ${name}`);
}

function isSecureOrLoopback(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname));
}
