import { Buffer } from "node:buffer";
import { describe, expect, it } from "vitest";
import { PAYMENT_HEADER_MAX, decodeHeader, encodeHeader } from "../../src/payment/header-codec.ts";

const base64 = (bytes: string | Uint8Array) => Buffer.from(bytes).toString("base64");

describe("a payment header", () => {
  it.each([{ plain: "ASCII" }, { text: "São Paulo, 東京, 🏙" }, ["\u0000\u007f\u0080ÿ"]])(
    "is base64 of UTF-8 JSON, and reads back: %j",
    (value) => {
      const header = encodeHeader(value);
      expect(header).toBe(base64(JSON.stringify(value)));
      expect(decodeHeader(header)).toEqual({ ok: true, value });
    },
  );

  it.each([
    ["without its padding", base64('{"a":1}').replace(/=+$/, "")],
    ["with padding inside", "e30=e30="],
    ["with too much padding", "e30====="],
    ["of the URL alphabet", base64('["??>>"]').replaceAll("/", "_")],
    ["with white space", "e30 e30="],
  ])("%s is not padded base64", (_what, text) => {
    expect(decodeHeader(text)).toEqual({ ok: false, problem: "is not padded base64" });
  });

  it.each([
    ["nothing", ""],
    ["text that is not JSON", base64("{")],
    ["bytes that are not UTF-8", base64(Uint8Array.of(0x22, 0xff, 0x22))],
    ["a byte order mark", base64("\ufeff{}")],
  ])("of %s can't be read", (_what, text) => {
    expect(decodeHeader(text)).toEqual({
      ok: false,
      problem: "is not base64 of UTF-8 JSON",
    });
  });

  it("is read up to its greatest length, and no further", () => {
    const longest = base64(JSON.stringify("x".repeat((PAYMENT_HEADER_MAX / 4) * 3 - 2)));
    expect(longest).toHaveLength(PAYMENT_HEADER_MAX);
    expect(decodeHeader(longest).ok).toBe(true);
    expect(decodeHeader(`${longest}AAAA`)).toMatchObject({ ok: false });
  });
});
