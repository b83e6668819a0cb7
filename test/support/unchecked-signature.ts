import type { SignedAuthorization } from "../../src/settlement/authorization.ts";

/** For claims that say themselves whose the signature is: nobody looks at this one. */
export const UNCHECKED_SIGNATURE: SignedAuthorization = {
  authorization: {
    network: "eip155:84532",
    asset: "0xasset",
    payer: "0xpayer",
    payee: "0xpayee",
    amountAtomic: 10_000n,
    nonce: "0x01",
    validAfterMs: 0,
    validBeforeMs: 0,
  },
  domain: { name: "USDC", version: "2" },
  signature: "0x",
};
