/** What both servers sell, so that one signature pays at either: same network, asset, amount and recipient. */
export const NETWORK = "eip155:84532";
export const CHAIN_ID = 84_532;
/** Chain name of x402 v1. */
export const NETWORK_V1 = "base-sepolia";
export const ASSET = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
export const TOKEN = { name: "USDC", version: "2" } as const;
export const PRICE_ATOMIC = "10000";
export const PAY_TO = "0x00000000000000000000000000000000000b0a7d";
export const MAX_TIMEOUT_SECONDS = 300;
export const ROUTE_PATH = "/item";
/** The same item, from a handler that takes as long as a query that has some work to do. */
export const DELAYED_PATH = "/delayed";
export const DELAY_MS = 50;

/** A trivial answer: 1 KiB of JSON that costs nothing to make. */
export const ANSWER_BYTES = 1_024;
const ENVELOPE = '{"value":""}';
export const ANSWER = `{"value":"${"x".repeat(ANSWER_BYTES - ENVELOPE.length)}"}`;
