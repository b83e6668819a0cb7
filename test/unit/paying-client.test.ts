/** What the command line makes of a call whose payment header the caller gave. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { callAndPay, createPaymentClient } from "../../src/cli/paying-client.ts";
import { payers } from "../../src/local/accounts.ts";

test("a payment header that nobody can read is the server's to refuse", async () => {
  const server = createServer((_request, response) => response.writeHead(400).end("unreadable"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = addressOf(server.address());
  const call = await callAndPay(
    createPaymentClient(payers[0].privateKey, "$1"),
    {
      url: `http://127.0.0.1:${port}/`,
      method: "GET",
      headers: { "PAYMENT-SIGNATURE": "not base64!" },
      body: null,
    },
    0,
  );
  expect([call.response.status, call.signedAtomic]).toEqual([400, null]);
});

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  return address;
}
