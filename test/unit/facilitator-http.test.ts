import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import { postSettle, postVerify } from "../../src/facilitator/http-facilitator.ts";
import { checkFacilitator, parseSupported } from "../../src/facilitator/supported.ts";
import type { WirePayment } from "../../src/payment/wire.ts";

const PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66";
const HASH = `0x${"ab".repeat(32)}`;
const NETWORK = "eip155:84532";

interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let server: Server;
let received: Received[];
let answer: { status: number; body: unknown };

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url: path, headers } = request;
  received.push({ method, path, headers, body: await text(request) });
  response.writeHead(answer.status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer.body));
}

beforeEach(async () => {
  received = [];
  server = createServer((request, response) => void respond(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

function config(fields: Partial<FacilitatorConfig> = {}): FacilitatorConfig {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return {
    id: "local",
    url: `http://127.0.0.1:${address.port}/x402/`,
    auth: { type: "none" },
    timeouts: { verifyMs: 2_000, settleMs: 2_000, supportedMs: 2_000 },
    ...fields,
  };
}

const PAYMENT: WirePayment = {
  x402Version: 1,
  paymentPayload: {
    x402Version: 1,
    scheme: "exact",
    network: "base-sepolia",
    payload: {
      signature: "0x00",
      authorization: { from: PAYER.toUpperCase().replace("0X", "0x") },
    },
  },
  paymentRequirements: { scheme: "exact", network: "base-sepolia", maxAmountRequired: "10000" },
};

it("posts the payment once, in its own version, below the configured URL", async () => {
  answer = { status: 200, body: { isValid: true, payer: PAYER } };
  const verified = await postVerify(config(), PAYMENT);
  expect(verified.outcome).toEqual({ class: "valid", payer: PAYER });
  answer = {
    status: 200,
    body: { success: true, transaction: HASH, network: "base-sepolia", payer: PAYER },
  };
  const expected = { network: NETWORK, payer: PAYER, amountAtomic: 10_000n };
  const settled = await postSettle(config(), PAYMENT, expected);
  expect(settled.outcome).toEqual({ class: "settled", transaction: HASH });
  expect(received.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /x402/verify",
    "POST /x402/settle",
  ]);
  for (const { headers, body } of received) {
    expect(headers["content-type"]).toBe("application/json");
    expect(headers.authorization).toBeUndefined();
    expect(JSON.parse(body)).toEqual(PAYMENT);
  }
});

it("sends the token of a facilitator that wants one, also with health checks", async () => {
  answer = { status: 200, body: { isValid: true, kinds: [] } };
  const secured = config({ auth: { type: "bearer", token: "token-of-the-tests" } });
  await postVerify(secured, PAYMENT);
  await checkFacilitator(secured, [NETWORK]);
  expect(received.map(({ path, headers }) => [path, headers.authorization])).toEqual([
    ["/x402/verify", "Bearer token-of-the-tests"],
    ["/x402/supported", "Bearer token-of-the-tests"],
  ]);
});

it("never retries, whatever the answer", async () => {
  answer = { status: 429, body: {} };
  await postVerify(config(), PAYMENT);
  answer = { status: 500, body: {} };
  await postVerify(config(), PAYMENT);
  expect(received).toHaveLength(2);
});

it.each([
  [200, { kinds: [] }, "healthy"],
  [200, { kinds: "all" }, "malformed"],
  [401, {}, "auth"],
  [429, {}, "rate_limited"],
  [503, {}, "server"],
  [404, {}, "malformed"],
])("calls a health check answered with %i %j %s", async (status, body, signal) => {
  answer = { status, body };
  expect((await checkFacilitator(config(), [NETWORK])).signal).toBe(signal);
});

it("keeps of a list what is about our networks, and no more than can be stored", () => {
  const list = parseSupported(
    {
      kinds: [
        { x402Version: 2, scheme: "exact", network: NETWORK },
        { x402Version: 1, scheme: "exact", network: "base-sepolia", extra: null },
        { x402Version: 2, scheme: "exact", network: "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp" },
        {
          x402Version: 2,
          scheme: "upto",
          network: NETWORK,
          extra: { facilitatorAddress: "0xfa", nested: { dropped: true } },
        },
        { x402Version: 3, scheme: "later", network: NETWORK },
        "nonsense",
      ],
      extensions: ["bazaar", 7, "x".repeat(1_000)],
      signers: { "eip155:*": ["0xaa", null], "solana:*": ["So1"], [NETWORK]: ["0xbb"] },
    },
    [NETWORK],
  );
  expect(list).toEqual({
    kinds: [
      { x402Version: 2, scheme: "exact", network: NETWORK, extra: {} },
      { x402Version: 1, scheme: "exact", network: NETWORK, extra: {} },
      { x402Version: 2, scheme: "upto", network: NETWORK, extra: { facilitatorAddress: "0xfa" } },
    ],
    extensions: ["bazaar"],
    signers: { "eip155:*": ["0xaa"], [NETWORK]: ["0xbb"] },
  });
  const many = Array.from({ length: 500 }, () => ({
    x402Version: 2,
    scheme: "exact",
    network: NETWORK,
  }));
  expect(parseSupported({ kinds: many }, [NETWORK])?.kinds).toHaveLength(64);
});
