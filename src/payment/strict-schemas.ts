/** Pieces of payment headers that have one spelling each: anything else is malformed, never guessed. */
import * as z from "zod";

export const lowerHex = (pattern: RegExp, what: string) =>
  z
    .string()
    .regex(pattern, `must be ${what}`)
    .transform((hex) => hex.toLowerCase());

/** Of an account or contract on an EVM network. */
export const addressSchema = lowerHex(/^0x[0-9a-fA-F]{40}$/, "a 20-byte address");

/** Up to 78 digits, as a uint256 has. */
export const uintSchema = z.string().regex(/^(?:0|[1-9][0-9]{0,77})$/, "must be a decimal integer");

/** "Forever" is a legal uint256; as a time it is capped where milliseconds are still exact. */
export function toMs(seconds: string): number {
  return Math.min(Number(seconds) * 1_000, Number.MAX_SAFE_INTEGER);
}

/** Where and what, of the first thing that is wrong. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join(".") ?? ""} ${issue?.message ?? "is invalid"}`.trim();
}
