/** The payer helper against a scripted server: what is sent, how often, and what is thrown. */
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { decodePaymentSignatureHeader, encodePaymentRequiredHeader } from "@x402/core/http";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";
import {
  PaymentError,
  type SentPayment,
  payingFetch,
  paymentStatusOf,
} from "../../src/client/paying-fetch.ts";

const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

/** What the server does with a request that carries a payment. */
type Turn =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | "hang up";

const PAID: Turn = { status: 200, headers: { "Payment-Status": "settled" } };
const AGAIN_AT_ONCE = { "Retry-After": "0" };

class ScriptedServer {
  /** Payment headers in the order they came. */
  readonly payments: string[] = [];
  readonly bodies: string[] = [];
  turns: Turn[] = [];
  asset = USDC;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const payment = request.headers["payment-signature"];
        if (typeof payment !== "string") {
          response.writeHead(402, { "PAYMENT-REQUIRED": this.#quote() }).end("{}");
          return;
        }
        this.payments.push(payment);
        this.bodies.push(body);
        const turn = this.turns.shift() ?? PAID;
        if (turn === "hang up") request.socket.destroy();
        else response.writeHead(turn.status, turn.headers).end("answer");
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/weather`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #quote(): string {
    return encodePaymentRequiredHeader({
      x402Version: 2,
      resource: { url: "http://127.0.0.1/weather" },
      accepts: [
        {
          scheme: "exact",
          network: "eip155:84532",
          amount: "10000",
          asset: this.asset,
          payTo: `0x${"22".repeat(20)}`,
          maxTimeoutSeconds: 300,
          extra: { name: "USDC", version: "2" },
        },
      ],
    });
  }
}

const client = x402Client.fromConfig({
  schemes: [
    {
      network: "eip155:*",
      client: new ExactEvmScheme(privateKeyToAccount(`0x${"11".repeat(32)}`)),
    },
  ],
});

let server: ScriptedServer;

async function serve(...turns: Turn[]): Promise<string> {
  server = new ScriptedServer();
  server.turns = turns;
  return await server.start();
}

afterEach(() => server.stop());

async function errorOf(call: Promise<unknown>): Promise<PaymentError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof PaymentError) return error;
  throw new Error("no PaymentError", { cause: error });
}

describe("one payment", () => {
  test("is signed once and sent again after a lost connection, 409, 429 and 503, until it is answered", async () => {
    const url = await serve(
      "hang up",
      { status: 409, headers: AGAIN_AT_ONCE },
      { status: 429, headers: AGAIN_AT_ONCE },
      { status: 503, headers: AGAIN_AT_ONCE },
    );
    const response = await payingFetch(client)(url, { method: "POST", body: "where" });
    expect([response.status, await response.text()]).toEqual([200, "answer"]);
    expect(paymentStatusOf(response)).toBe("settled");
    expect(server.payments).toHaveLength(5);
    expect(new Set(server.payments).size).toBe(1);
    expect(new Set(server.bodies)).toEqual(new Set(["where"]));
  });

  test("is sent again when it is settled and its handler is to run again, as an upfront route says", async () => {
    const url = await serve({
      status: 502,
      headers: { "Payment-Status": "settled", ...AGAIN_AT_ONCE },
    });
    expect((await payingFetch(client)(url)).status).toBe(200);
    expect(server.payments).toHaveLength(2);
  });

  test("is not sent before the time that the server names, whatever is left of the patience", async () => {
    const url = await serve({ status: 503, headers: { "Retry-After": "120" } });
    const error = await errorOf(payingFetch(client, { patienceMs: 60_000 })(url));
    expect([error.state, error.response?.status]).toEqual(["outcome_open", 503]);
    expect(server.payments).toHaveLength(1);
  });

  test("is not sent again after a final answer: 402, a conflict, a failed handler", async () => {
    for (const status of [402, 409, 502]) {
      const url = await serve({ status });
      expect((await payingFetch(client)(url)).status).toBe(status);
      expect(server.payments).toHaveLength(1);
      await server.stop();
    }
    await serve();
  });

  test("is handed over before it is first sent, as data that can be stored", async () => {
    const url = await serve();
    const stored: string[] = [];
    await payingFetch(client, {
      onPayment: (payment) => {
        expect(server.payments).toEqual([]);
        stored.push(JSON.stringify(payment));
      },
    })(url);
    expect(stored).toEqual([
      JSON.stringify({ url, header: "PAYMENT-SIGNATURE", value: server.payments[0] }),
    ]);
  });

  test("whose outcome stays open is in the error, and resumes without signing anew", async () => {
    const url = await serve({ status: 503 });
    const buy = payingFetch(client, { patienceMs: 0 });
    const error = await errorOf(buy(url));
    expect([error.state, error.response?.status]).toEqual(["outcome_open", 503]);
    const stored = JSON.parse(JSON.stringify(error.payment)) as SentPayment;
    const response = await payingFetch(client).resume(stored);
    expect(response.status).toBe(200);
    expect(server.payments).toEqual([stored.value, stored.value]);
  });

  test("is open as well when nobody answers, and when the caller aborts between sends", async () => {
    const url = await serve("hang up");
    expect(await errorOf(payingFetch(client, { patienceMs: 0 })(url))).toMatchObject({
      state: "outcome_open",
      response: null,
    });
    server.turns = [{ status: 503, headers: { "Retry-After": "20" } }];
    const abort = new AbortController();
    const call = errorOf(payingFetch(client)(url, { signal: abort.signal }));
    await expect.poll(() => server.payments.length).toBe(2);
    abort.abort();
    expect((await call).state).toBe("outcome_open");
  });

  test("that the server vouches was not charged is answered when patience ends", async () => {
    const url = await serve({ status: 503, headers: { "Payment-Status": "not-charged" } });
    const response = await payingFetch(client, { patienceMs: 0 })(url);
    expect([response.status, paymentStatusOf(response)]).toEqual([503, "not-charged"]);
  });
});

describe("a budget", () => {
  test("lets through what fits, and sends nothing that does not", async () => {
    const url = await serve();
    const buy = payingFetch(client, { budget: "$0.025" });
    await buy(url);
    await buy(url);
    expect((await errorOf(buy(url))).state).toBe("over_budget");
    expect(server.payments).toHaveLength(2);
  });

  test("holds for calls made at the same time", async () => {
    const url = await serve();
    const buy = payingFetch(client, { budget: "$0.03" });
    const calls = await Promise.allSettled(Array.from({ length: 10 }, () => buy(url)));
    expect(calls.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect(server.payments).toHaveLength(3);
  });

  test("gets back what was not charged, and only that", async () => {
    const url = await serve(
      { status: 502, headers: { "Payment-Status": "not-charged" } },
      { status: 402, headers: { "Payment-Status": "failed" } },
      { status: 402 },
    );
    const buy = payingFetch(client, { budget: "$0.01" });
    await buy(url);
    await buy(url);
    await buy(url);
    expect((await errorOf(buy(url))).state).toBe("over_budget");
  });

  test("does not get back what is bound to another request, and may be charged there", async () => {
    const url = await serve({ status: 409, headers: { "Payment-Status": "not-charged" } });
    const buy = payingFetch(client, { budget: "$0.01" });
    expect((await buy(url)).status).toBe(409);
    expect((await errorOf(buy(url))).state).toBe("over_budget");
  });

  test("gets back what was never sent, because it could not be stored", async () => {
    const url = await serve();
    let isFull = true;
    const buy = payingFetch(client, {
      budget: "$0.01",
      onPayment: () => {
        if (isFull) throw new Error("disk full");
      },
    });
    await expect(buy(url)).rejects.toThrow("disk full");
    expect(server.payments).toEqual([]);
    isFull = false;
    expect((await buy(url)).status).toBe(200);
  });

  test("counts a payment once, however often it is resumed", async () => {
    const url = await serve({ status: 503 });
    const buy = payingFetch(client, { budget: "$0.02", patienceMs: 0 });
    const { payment } = await errorOf(buy(url));
    if (payment === null) throw new Error("no payment kept");
    await buy.resume(payment);
    expect((await buy(url)).status).toBe(200);
    expect((await errorOf(buy(url))).state).toBe("over_budget");
  });

  test("that is no amount of dollars is refused", async () => {
    await serve();
    for (const budget of ["$", "$-1", "$1e3", "$01"] as const) {
      expect(() => payingFetch(client, { budget })).toThrow("budget must look like");
    }
  });
});

describe("a price that is not paid", () => {
  test("because it is over the client's own spend controls is not_payable, with the reason", async () => {
    const url = await serve();
    const careful = x402Client.fromConfig({
      schemes: [
        {
          network: "eip155:*",
          client: new ExactEvmScheme(privateKeyToAccount(`0x${"11".repeat(32)}`)),
        },
      ],
      spendControls: { maxAmountPerPayment: "$0.001" },
    });
    const error = await errorOf(payingFetch(careful)(url));
    expect([error.state, error.payment]).toEqual(["not_payable", null]);
    expect(error.message).toContain("Nothing was paid");
    expect(server.payments).toEqual([]);
  });

  test("because the client has no scheme for it is not_payable", async () => {
    const url = await serve();
    expect((await errorOf(payingFetch(new x402Client())(url))).state).toBe("not_payable");
  });
});

test("a server that can't be asked for its price is whatever fetch says, not a payment error", async () => {
  const url = await serve();
  await server.stop();
  await expect(payingFetch(client)(url)).rejects.toThrow(TypeError);
  await serve();
});

test("what is paid is what the quote asked", async () => {
  const url = await serve();
  await payingFetch(client)(url);
  expect(decodePaymentSignatureHeader(server.payments[0] ?? "").accepted).toMatchObject({
    amount: "10000",
    network: "eip155:84532",
  });
});
