/**
 * Contracts that payments by Permit2 go through, at the same address on every EVM chain (`PERMIT2_ADDRESS`,
 * `x402ExactPermit2ProxyAddress` and `x402UptoPermit2ProxyAddress` of `@x402/evm`). Lower-case hex.
 */
export const PERMIT2_ADDRESS = "0x000000000022d473030f116ddee9f6b43ac78ba3";
/** The spender that payers of `exact` sign for: it pays the whole amount to whom they signed it. */
export const X402_EXACT_PERMIT2_PROXY = "0x402085c248eea27d92e8b30b2c58ed07f9e20001";
/** The spender that payers of `upto` sign for: what the facilitator they signed for says, up to the amount. */
export const X402_UPTO_PERMIT2_PROXY = "0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002";
