/** x402 headers: standard base64 with padding over UTF-8 JSON (specs/transports-v2/http.md). */
import { Buffer } from "node:buffer";
import type { JsonValue } from "./wire.ts";

export const PAYMENT_REQUIRED_HEADER = "PAYMENT-REQUIRED";
export const PAYMENT_SIGNATURE_HEADER = "PAYMENT-SIGNATURE";
export const PAYMENT_RESPONSE_HEADER = "PAYMENT-RESPONSE";
export const PAYMENT_HEADER_V1 = "X-PAYMENT";
export const PAYMENT_RESPONSE_HEADER_V1 = "X-PAYMENT-RESPONSE";

/** Longest payment header that is decoded, in characters. Real ones are 1 to 2 KiB; contract wallets' up to 8. */
export const PAYMENT_HEADER_MAX = 16_384;

/** Objects within objects of a header: a payment has four, an extension's data a few more. */
const PAYMENT_HEADER_DEPTH_MAX = 16;

/** ASCII is the same in UTF-8, and `atob` and `btoa` take a tenth of the time. */
const ASCII_PATTERN = /^\p{ASCII}*$/u;
/** With a length that is a multiple of four, this is all of padded base64. */
const BASE64_PATTERN = /^[A-Za-z0-9+/]*={0,2}$/;

export function encodeHeader(value: JsonValue): string {
  const json = JSON.stringify(value);
  return ASCII_PATTERN.test(json) ? btoa(json) : Buffer.from(json, "utf8").toString("base64");
}

export type DecodedHeader =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

export function decodeHeader(text: string): DecodedHeader {
  if (text.length > PAYMENT_HEADER_MAX) {
    return { ok: false, problem: `is longer than ${PAYMENT_HEADER_MAX} characters` };
  }
  if (text.length % 4 !== 0 || !BASE64_PATTERN.test(text)) {
    return { ok: false, problem: "is not padded base64" };
  }
  let value: unknown;
  try {
    const binary = atob(text);
    value = JSON.parse(ASCII_PATTERN.test(binary) ? binary : decodeUtf8(text));
  } catch {
    return { ok: false, problem: "is not base64 of UTF-8 JSON" };
  }
  return isDeeper(value, PAYMENT_HEADER_DEPTH_MAX)
    ? { ok: false, problem: `is nested more than ${PAYMENT_HEADER_DEPTH_MAX} levels deep` }
    : { ok: true, value };
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((child) => isDeeper(child, levels - 1));
}

function decodeUtf8(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
