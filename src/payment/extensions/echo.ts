/**
 * Extensions as clients send them back: they may add to what they were told, and change none of it
 * (x402 specification v2, section 5.1; `validateExtensions` of the SDK).
 */
import * as z from "zod";
import type { JsonValue } from "../wire.ts";
import { PAYMENT_IDENTIFIER, paymentIdentifierEchoSchema } from "./payment-identifier.ts";

/** A 402 of ours names four at most; clients add their own. Bytes are bounded by the payment header's. */
const EXTENSIONS_MAX = 16;
const EXTENSION_KEY_LENGTH_MAX = 64;

export const echoedExtensionsSchema = z
  .object({ [PAYMENT_IDENTIFIER]: paymentIdentifierEchoSchema.optional() })
  .catchall(z.unknown())
  .refine((extensions) => {
    const keys = Object.keys(extensions);
    return (
      keys.length <= EXTENSIONS_MAX && keys.every((key) => key.length <= EXTENSION_KEY_LENGTH_MAX)
    );
  }, `must be at most ${EXTENSIONS_MAX}, with keys of at most ${EXTENSION_KEY_LENGTH_MAX} characters`);
export type EchoedExtensions = z.infer<typeof echoedExtensionsSchema>;

/** The client's `payment-identifier`, if it sent one. */
export function echoedIdentifier(extensions: EchoedExtensions): string | null {
  return extensions[PAYMENT_IDENTIFIER]?.info.id ?? null;
}

/**
 * Compares what came back with what does not change from one 402 of a route to the next.
 * @param fixed `info` of the extensions a route advertises, by key
 * @returns the first extension that was changed; null when none was, or none came back
 */
export function changedExtension(
  fixed: Readonly<Record<string, JsonValue>>,
  echoed: EchoedExtensions,
): string | null {
  const changed = Object.entries(echoed).find(([key, value]) => {
    const info = Object.hasOwn(fixed, key) ? fixed[key] : undefined;
    return info !== undefined && !keeps(info, infoOf(value));
  });
  return changed?.[0] ?? null;
}

function infoOf(extension: unknown): unknown {
  return isRecord(extension) && Object.hasOwn(extension, "info") ? extension["info"] : extension;
}

/** Objects may have gained members; everything else is the same. */
function keeps(told: JsonValue, echoed: unknown): boolean {
  if (Array.isArray(told)) {
    return (
      Array.isArray(echoed) &&
      echoed.length === told.length &&
      told.every((item, index) => keeps(item, echoed[index]))
    );
  }
  if (typeof told !== "object" || told === null) return told === echoed;
  return (
    isRecord(echoed) &&
    Object.entries(told).every(
      ([name, value]) => Object.hasOwn(echoed, name) && keeps(value, echoed[name]),
    )
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
