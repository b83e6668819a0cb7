/**
 * x402 extension `offer-receipt`: what is offered and what was paid for, signed so that third parties can check it
 * without us (specs/extensions/extension-offer-and-receipt.md, format `jws`). A signature is a function of what it is
 * about, so that a receipt is made anew for each replay and is the same every time.
 */
import type { SettlementSummary } from "../../contracts/ledger.ts";
import type { JsonObject } from "../wire.ts";
import { type SigningKey, signStatement } from "./signing-key.ts";

export const OFFER_RECEIPT = "offer-receipt";

/** Of the statements' fields. */
const STATEMENT_VERSION = 1;

export interface OfferedTerms {
  readonly scheme: string;
  /** CAIP-2. */
  readonly network: string;
  readonly asset: string;
  readonly payTo: string;
  /** Atomic units, decimal text. */
  readonly amount: string;
  readonly expiresAtSeconds: number;
}

/** @param offers in the order of `accepts` */
export function advertiseOffers(
  offers: readonly OfferedTerms[],
  resource: URL,
  key: SigningKey,
): JsonObject {
  return {
    info: {
      offers: offers.map(({ expiresAtSeconds, ...terms }, acceptIndex) => ({
        format: "jws",
        acceptIndex,
        signature: signStatement(
          {
            version: STATEMENT_VERSION,
            resourceUrl: resource.href,
            ...terms,
            validUntil: expiresAtSeconds,
          },
          resource.host,
          key,
        ),
      })),
    },
    schema: schemaOf("offers", {
      type: "array",
      items: jwsSchema({ acceptIndex: { type: "integer" } }),
    }),
  };
}

/**
 * The extensions of a settlement response that carry its receipt; it names the transaction, which the response names
 * anyway, so that whoever gets the receipt can look it up.
 * @returns null where nobody knows when the money moved: an operator let the answer go
 */
export function receiptExtensions(
  { network, payer, transaction, settledAtMs }: SettlementSummary,
  resource: URL,
  key: SigningKey,
): JsonObject | null {
  if (settledAtMs === null) return null;
  const receipt = {
    version: STATEMENT_VERSION,
    network,
    resourceUrl: resource.href,
    payer,
    issuedAt: Math.floor(settledAtMs / 1_000),
    transaction,
  };
  return {
    [OFFER_RECEIPT]: {
      info: { receipt: { format: "jws", signature: signStatement(receipt, resource.host, key) } },
      schema: schemaOf("receipt", jwsSchema({})),
    },
  };
}

function schemaOf(name: string, schema: JsonObject): JsonObject {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: { [name]: schema },
    required: [name],
  };
}

function jwsSchema(further: JsonObject): JsonObject {
  return {
    type: "object",
    properties: {
      format: { type: "string", const: "jws" },
      ...further,
      signature: { type: "string" },
    },
    required: ["format", "signature"],
  };
}
