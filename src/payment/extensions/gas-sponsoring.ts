/**
 * Approvals of Permit2 for payers without gas: `eip2612GasSponsoring` and `erc20ApprovalGasSponsoring`
 * (specs/extensions of x402). The payer signs the approval, the facilitator puts it on the chain; between them this
 * platform says who does that, and passes on what was signed.
 */
import * as z from "zod";
import type { JsonObject } from "../wire.ts";
import type { EchoedExtensions } from "./echo.ts";

/** What payers fill in, text all of it. */
const SPONSORINGS = {
  eip2612GasSponsoring: {
    description: "The facilitator submits an EIP-2612 permit for Permit2.",
    fields: ["from", "asset", "spender", "amount", "nonce", "deadline", "signature", "version"],
  },
  erc20ApprovalGasSponsoring: {
    description: "The facilitator broadcasts a signed approval of Permit2.",
    fields: ["from", "asset", "spender", "amount", "signedTransaction", "version"],
  },
} as const satisfies Record<string, { description: string; fields: readonly string[] }>;

export const GAS_SPONSORINGS = Object.keys(SPONSORINGS);

/** A client that has signed nothing sends back what it was told, which is of no use to a facilitator. */
const filledSchema = z.object({ info: z.object({ from: z.string() }).catchall(z.json()) });

/** @param listed by some facilitator */
export function advertiseGasSponsoring(listed: readonly string[]): Record<string, JsonObject> {
  return Object.fromEntries(
    Object.entries(SPONSORINGS)
      .filter(([key]) => listed.includes(key))
      .map(([key, { description, fields }]) => {
        const properties = Object.fromEntries(fields.map((field) => [field, { type: "string" }]));
        const schema: JsonObject = { type: "object", properties, required: [...fields] };
        return [key, { info: { description, version: "1" }, schema }];
      }),
  );
}

/** What its payer signed for the facilitator, as it came; empty where that is nothing. */
export function filledGasSponsoring(echoed: EchoedExtensions): Record<string, JsonObject> {
  return Object.fromEntries(
    GAS_SPONSORINGS.flatMap((key): [string, JsonObject][] => {
      const parsed = filledSchema.safeParse(echoed[key]);
      return parsed.success ? [[key, { info: parsed.data.info }]] : [];
    }),
  );
}
