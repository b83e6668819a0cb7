import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TimeoutError } from "viem";
import { afterEach, describe, expect, it, vi } from "vitest";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import { rpcFailureReason } from "../../src/chain/rpc-failure.ts";
import type { NetworkConfig } from "../../src/config.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";

const API_KEY = "very-secret-key";

const network: NetworkConfig = {
  caip2: "eip155:84532",
  rpcUrl: null,
  asset: {
    address: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
    name: "USDC",
    version: "2",
    decimals: 6,
  },
  confirmations: 0,
};

const authorization: Authorization = {
  network: network.caip2,
  asset: network.asset.address,
  payer: "0x00000000000000000000000000000000000000aa",
  payee: "0x00000000000000000000000000000000000000bb",
  amountAtomic: 1_000n,
  nonce: `0x${"01".repeat(32)}`,
  validAfterMs: 0,
  validBeforeMs: 60_000,
};

let stop: (() => Promise<void>) | null = null;
afterEach(async () => {
  await stop?.();
  stop = null;
});

/** A node that says the same to every question. */
async function nodeThatSays(
  status: number,
  body: string,
): Promise<{ url: string; calls: () => number }> {
  let calls = 0;
  const server = createServer((_request, response) => {
    calls += 1;
    const contentType = body.startsWith("{") ? "application/json" : "text/html";
    response.writeHead(status, { "content-type": contentType }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stop = () => new Promise((resolve) => server.close(() => resolve()));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v2/${API_KEY}`, calls: () => calls };
}

const result = (value: unknown) => JSON.stringify({ jsonrpc: "2.0", id: 1, result: value });
const error = (code: number) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code, message: `no access for ${API_KEY}` } });

describe("a node that fails", () => {
  it.each([
    ["refuses", 401, "", "the node refused: HTTP 401"],
    ["limits our rate", 429, "slow down", "the node refused: HTTP 429"],
    ["is down behind a proxy", 503, "<html>", "the node refused: HTTP 503"],
    ["answers with a JSON-RPC error", 200, error(-32_005), "the node refused: error -32005"],
    [
      "answers with its error under another status",
      429,
      error(-32_005),
      "the node refused: error -32005",
    ],
    ["answers with something else", 200, result({ hello: 1 }), "the node's answer is unreadable"],
    ["answers with nothing", 200, result(null), "the node's answer is unreadable"],
    ["answers with a web page", 200, "<html>", "the node's answer is unreadable"],
    ["is of another chain", 200, result("0x1"), "the node is of another chain"],
    ["answers without end", 200, " ".repeat(5 * 1024 * 1024), "the node's answer is too large"],
  ])("proves nothing when it %s", async (_fault, status, body, reason) => {
    const node = await nodeThatSays(status, body);
    const reader = evmChainReader(network, node.url);
    expect(await reader.findAuthorization(authorization, 0)).toEqual({
      found: "unavailable",
      reason,
    });
    expect(await reader.confirmTransfer(authorization, authorization.nonce, 0)).toEqual({
      found: "unavailable",
      reason,
    });
    expect(await reader.balanceOf(authorization.asset, authorization.payee)).toBeNull();
    expect(node.calls()).toBe(3);
  });

  it("proves nothing when it cannot be reached", async () => {
    const reader = evmChainReader(network, `http://127.0.0.1:9/${API_KEY}`);
    expect(await reader.findAuthorization(authorization, 0)).toEqual({
      found: "unavailable",
      reason: "the node could not be reached",
    });
  });
});

describe("a question", () => {
  it("leaves no timer behind, which would keep a Durable Object awake after the answer", async () => {
    const node = await nodeThatSays(200, result(null));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await evmChainReader(network, node.url).findAuthorization(authorization, 0);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the reason of a failure", () => {
  it("is a timeout when the node was silent", () => {
    const silent = new TimeoutError({ body: {}, url: `https://node.example/${API_KEY}` });
    expect(rpcFailureReason(silent)).toBe("the node did not answer in time");
    const aborted = new DOMException(API_KEY, "TimeoutError");
    expect(rpcFailureReason(aborted)).toBe("the node did not answer in time");
  });

  it("names an unforeseen error by its class only", () => {
    expect(rpcFailureReason(new RangeError(API_KEY))).toBe("unexpected RangeError");
    expect(rpcFailureReason(API_KEY)).toBe("unexpected failure");
  });
});
