/** The payer's client in workerd: one Worker buys from another, the platform's. */
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { x402Client } from "@x402/fetch";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PaymentError, payingFetch, paymentStatusOf } from "../../src/client/paying-fetch.ts";
import { ANSWER, PaidCalls } from "../support/paid-calls.ts";

let calls: PaidCalls;
let client: x402Client;

beforeEach(async () => {
  calls = new PaidCalls();
  await calls.open("after");
  const scheme = new ExactEvmScheme(privateKeyToAccount(generatePrivateKey()));
  client = new x402Client().register("eip155:*", scheme);
});

afterEach(() => {
  vi.restoreAllMocks();
});

const ask: typeof globalThis.fetch = (input, init) => {
  const request = new Request(input, init);
  return calls.fetch(request.url, { headers: request.headers });
};

test("a paid answer that was lost on its way is fetched with the same payment, which is charged once", async () => {
  const payments: (string | null)[] = [];
  const response = await payingFetch(client, {
    budget: "$0.01",
    fetch: async (input, init) => {
      const answer = await ask(input, init);
      const { headers } = new Request(input, init);
      if (headers.has("PAYMENT-SIGNATURE")) payments.push(headers.get("PAYMENT-SIGNATURE"));
      if (payments.length === 1) throw new TypeError("the connection was lost");
      return answer;
    },
  })(`${calls.base}/items/1`);
  expect([paymentStatusOf(response), await response.text()]).toEqual(["replayed", ANSWER]);
  expect([payments.length, new Set(payments).size]).toEqual([2, 1]);
  expect([calls.runs(), calls.settled.length]).toEqual([1, 1]);
});

test("what is over the budget is not sent", async () => {
  const buy = payingFetch(client, { budget: "$0.015", fetch: ask });
  expect((await buy(`${calls.base}/items/1`)).status).toBe(200);
  const second = buy(`${calls.base}/items/2`);
  await expect(second).rejects.toThrow(PaymentError);
  await expect(second).rejects.toMatchObject({ state: "over_budget" });
  expect(calls.settled).toHaveLength(1);
});
