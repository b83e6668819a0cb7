/** Operators: people and programs that run the platform, each with a name and a token. Only SHA-256s are configured. */
import * as z from "zod";
import { ConfigError, configIdSchema, parseJson } from "../config-source.ts";

export interface Operator {
  /** What the audit log says. */
  readonly name: string;
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenHash: string;
}

/** A Worker's secret holds 5 KB; each of these is about 120 bytes, and every one is compared. */
const OPERATORS_MAX = 32;

const OPERATOR_TOKEN_RANDOM_BYTES = 32;

const operatorSchema = z.strictObject({
  name: configIdSchema,
  tokenHash: z
    .string()
    .regex(
      /^[0-9a-f]{64}$/,
      "must be a SHA-256 in lower-case hex: `claw operator token` makes one",
    ),
});

export interface OperatorSource {
  /** JSON: `[{name, tokenHash}]`. */
  readonly OPERATORS: string;
}

/** @throws ConfigError naming what is wrong, never with a hash in it. */
export function parseOperators(source: OperatorSource): readonly Operator[] {
  const operators = parseJson(
    "OPERATORS",
    source.OPERATORS,
    z.array(operatorSchema).min(1).max(OPERATORS_MAX),
  );
  for (const field of ["name", "tokenHash"] as const) {
    if (new Set(operators.map((operator) => operator[field])).size < operators.length) {
      throw new ConfigError("OPERATORS", `two operators have the same ${field}`);
    }
  }
  return operators;
}

/** A new token: `op_` and 32 bytes from a secure random source, base64url. */
export function makeOperatorToken(
  randomBytes = crypto.getRandomValues(new Uint8Array(OPERATOR_TOKEN_RANDOM_BYTES)),
): string {
  const text = btoa(String.fromCharCode(...randomBytes));
  return `op_${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** What is configured of a token. Tokens are random, so that a plain hash gives nothing away. */
export async function hashOperatorToken(token: string): Promise<string> {
  return toHex(await sha256(token));
}

/**
 * Name of the operator whose token this is, or null. Hashes are compared, all of them and each in constant time, so
 * that the time tells neither a token nor whose it nearly was.
 */
export async function findOperator(
  presented: string,
  operators: readonly Operator[],
): Promise<string | null> {
  const presentedHash = await sha256(presented);
  let found: string | null = null;
  for (const { name, tokenHash } of operators) {
    if (crypto.subtle.timingSafeEqual(presentedHash, fromHex(tokenHash))) found = name;
  }
  return found;
}

function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}

function toHex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
