/**
 * x402 objects as they travel to a facilitator. `PaymentPayload` and `PaymentRequirements` are already checked and
 * stripped of the quote token when they have this type (specs/x402-specification-v2, section 5).
 */
export interface WirePayment {
  /** 1 or 2: the version of both objects, and of the facilitator request that carries them. */
  readonly x402Version: 1 | 2;
  readonly paymentPayload: JsonObject;
  readonly paymentRequirements: JsonObject;
}

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}
