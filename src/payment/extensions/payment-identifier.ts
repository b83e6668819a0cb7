/**
 * x402 extension `payment-identifier`: an id of the client's own for a payment, so that a resend finds the answer of
 * the first send and a mix-up is noticed (specs/extensions/payment_identifier.md). The ledger binds it; here it is
 * offered and read. The SDK's own validation compiles the client's schema to code, which workerd refuses.
 */
import * as z from "zod";
import { sha256Hex } from "../hash.ts";
import type { JsonObject } from "../wire.ts";

export const PAYMENT_IDENTIFIER = "payment-identifier";

const ID_LENGTH_MIN = 16;
const ID_LENGTH_MAX = 128;
const ID_PATTERN = /^[a-zA-Z0-9_-]+$/;

/** As clients send it back; ids are malformed rather than ignored, so that nobody believes to have one. */
export const paymentIdentifierEchoSchema = z.looseObject({
  info: z.looseObject({
    id: z.string().min(ID_LENGTH_MIN).max(ID_LENGTH_MAX).regex(ID_PATTERN).optional(),
  }),
});

export function paymentIdentifierInfo(required: boolean): JsonObject {
  return { required };
}

export function advertisePaymentIdentifier(required: boolean): JsonObject {
  return {
    info: paymentIdentifierInfo(required),
    schema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        required: { type: "boolean" },
        id: {
          type: "string",
          minLength: ID_LENGTH_MIN,
          maxLength: ID_LENGTH_MAX,
          pattern: ID_PATTERN.source,
        },
      },
      required: ["required"],
    },
  };
}

/**
 * What the ledger keeps of an identifier. It belongs to its payer: the same id of somebody else is another one.
 * @param payer lower-case hex
 */
export function identifierHash(payer: string, id: string): string {
  return sha256Hex(JSON.stringify([PAYMENT_IDENTIFIER, payer, id]));
}
