/** What payers sign for Permit2: the token and amount, who may move it to whom, and until when (scheme_exact_evm.md). */
import * as z from "zod";
import { EVM_NAMESPACE } from "../networks.ts";
import type { DecodedPayload, PayloadRefusal, PayloadTerms, SignedPayload } from "../scheme.ts";
import { addressSchema, firstIssue, lowerHex, toMs, uintSchema } from "../strict-schemas.ts";

const UINT256_MAX = 2n ** 256n - 1n;
/** Permit2 takes a signature in the second of its deadline, and not after it. */
const DEADLINE_MS = 1_000;

/** Above it nothing can be put on the chain. */
const uint256Schema = uintSchema.refine((text) => BigInt(text) <= UINT256_MAX, "is over 256 bits");

/** @param witness what is signed beside whom the token goes to, and from when */
function payloadSchema<Witness extends z.core.$ZodLooseShape>(witness: Witness) {
  return z.object({
    /** 65 bytes for an EOA; contract wallets need more, bounded by the header's length. */
    signature: lowerHex(/^0x(?:[0-9a-fA-F]{2})+$/, "hex bytes"),
    permit2Authorization: z.object({
      from: addressSchema,
      permitted: z.object({ token: addressSchema, amount: uint256Schema }),
      spender: addressSchema,
      nonce: uint256Schema,
      deadline: uint256Schema,
      witness: z.object({ to: addressSchema, validAfter: uint256Schema, ...witness }),
    }),
  });
}
