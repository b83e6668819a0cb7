/**
 * A facilitator that agrees with everything after a set time, in a process of its own. It says what the local one
 * says, so both servers take their normal path, and does no work that would count against either.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import * as z from "zod";
import { NETWORK, NETWORK_V1, PRICE_ATOMIC } from "./offer.ts";

export const latencySchema = z.object({ verifyMs: z.number(), settleMs: z.number() });
export type FacilitatorLatency = z.infer<typeof latencySchema>;

const SUPPORTED = {
  kinds: [
    { x402Version: 2, scheme: "exact", network: NETWORK },
    { x402Version: 1, scheme: "exact", network: NETWORK_V1 },
  ],
  extensions: [],
  signers: {},
};

/** The payer is cut out of the request: parsing 2 KiB of JSON would only load the core it shares with others. */
const PAYER_PATTERN = /"from":"(0x[0-9a-fA-F]{40})"/;

let latency: FacilitatorLatency = { verifyMs: 0, settleMs: 0 };

const server = createServer((request, response) => {
  void answer(request, response);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === "/supported") return sendLater(response, 0, SUPPORTED);
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request) body += String(chunk);
  if (request.url === "/latency") {
    latency = latencySchema.parse(JSON.parse(body));
    return sendLater(response, 0, latency);
  }
  const payer = PAYER_PATTERN.exec(body)?.[1] ?? "";
  return request.url === "/verify"
    ? sendLater(response, latency.verifyMs, { isValid: true, payer })
    : sendLater(response, latency.settleMs, {
        success: true,
        transaction: `0x${randomBytes(32).toString("hex")}`,
        network: body.includes('"x402Version":1') ? NETWORK_V1 : NETWORK,
        payer,
        amount: PRICE_ATOMIC,
      });
}

function sendLater(response: ServerResponse, delayMs: number, value: object): void {
  const text = JSON.stringify(value);
  const send = () => {
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(text),
    });
    response.end(text);
  };
  if (delayMs === 0) send();
  else setTimeout(send, delayMs);
}

server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.send?.({ port: address.port });
});
// Whoever started this process is gone: so is its purpose.
process.once("disconnect", () => process.exit(0));
