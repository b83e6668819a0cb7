import { once } from "node:events";
import { type Server, type Socket, createServer } from "node:net";
import { build } from "esbuild";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SettleReading, VerifyReading } from "../../src/facilitator/classify.ts";

/*
 * What each failure of a connection looks like in the real runtime, and what is made of it. The faults are made with
 * raw sockets, because an HTTP server is too polite for most of them.
 */
const PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66";
const HASH = `0x${"ab".repeat(32)}`;
const NETWORK = "eip155:84532";
const TIMEOUT_MS = 400;

const WORKER = `
  import { postSettle, postVerify } from "./src/facilitator/http-facilitator.ts";
  export default {
    async fetch(request) {
      const { config, payment, expected } = await request.json();
      const [verify, settle] = await Promise.all([
        postVerify(config, payment),
        postSettle(config, payment, { ...expected, amountAtomic: 10000n }),
      ]);
      return Response.json({ verify, settle });
    },
  };`;

const PAYMENT = {
  x402Version: 2,
  paymentPayload: { payload: { authorization: { from: PAYER } } },
  paymentRequirements: {},
};

let runtime: Miniflare;
const servers: Server[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  const bundle = await build({
    stdin: { contents: WORKER, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "silent",
  });
  runtime = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: bundle.outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-10-01",
      cf: false,
      telemetry: { enabled: false },
    }),
  );
  await runtime.ready;
});

afterAll(async () => {
  await runtime.dispose();
  for (const socket of sockets) socket.destroy();
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, "close");
    }),
  );
});

/** A server that does with every connection what it is told, and the URL to reach it. */
async function serve(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return `http://127.0.0.1:${address.port}`;
}

/** Answers every request with these bytes. */
function answering(status: string, body: string, headers: readonly string[] = []) {
  const head = [`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return (socket: Socket) => {
    socket.once("data", () =>
      socket.end(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`),
    );
  };
}

async function call(url: string): Promise<{ verify: VerifyReading; settle: SettleReading }> {
  const response = await runtime.dispatchFetch("http://worker/", {
    method: "POST",
    body: JSON.stringify({
      config: {
        id: "faulty",
        url,
        auth: { type: "none" },
        timeouts: { verifyMs: TIMEOUT_MS, settleMs: TIMEOUT_MS, supportedMs: TIMEOUT_MS },
      },
      payment: PAYMENT,
      expected: { network: NETWORK, payer: PAYER },
    }),
  });
  return await (response.json() as Promise<{ verify: VerifyReading; settle: SettleReading }>);
}

describe("in workerd", () => {
  const PART = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";

  it.each<[string, ((socket: Socket) => void) | string, string, string]>([
    ["a refused connection", "http://127.0.0.1:9", "facilitator_unreachable", "unreachable"],
    ["a refused TLS connection", "https://127.0.0.1:9", "facilitator_unreachable", "unreachable"],
    [
      "a reset before the request was read",
      (socket) => socket.resetAndDestroy(),
      "facilitator_unreachable",
      "unreachable",
    ],
    [
      "a reset after the request was read",
      (socket) => socket.once("data", () => socket.resetAndDestroy()),
      "facilitator_unreachable",
      "unreachable",
    ],
    [
      "a close without an answer",
      (socket) => socket.once("data", () => socket.end()),
      "facilitator_unreachable",
      "unreachable",
    ],
    [
      "an answer that is not HTTP",
      (socket) => socket.once("data", () => socket.end("good morning")),
      "facilitator_unreachable",
      "unreachable",
    ],
    [
      "a body cut short",
      (socket) => socket.once("data", () => socket.end(PART)),
      "facilitator_unreachable",
      "unreachable",
    ],
    ["no answer", () => {}, "facilitator_timeout", "timeout"],
    [
      "an answer that never ends",
      (socket) => socket.once("data", () => socket.write(PART)),
      "facilitator_timeout",
      "timeout",
    ],
    [
      "a redirect",
      answering("307 Temporary Redirect", "", ["Location: http://127.0.0.1:9/"]),
      "malformed_reply",
      "malformed",
    ],
    ["JSON cut short", answering("200 OK", '{"isValid":'), "malformed_reply", "malformed"],
    [
      "a body over the cap",
      answering(
        "200 OK",
        JSON.stringify({ isValid: true, success: true, filler: "x".repeat(70_000) }),
      ),
      "malformed_reply",
      "malformed",
    ],
    [
      "PayAI's edge in HTML",
      answering("503 Service Unavailable", "<html>503</html>"),
      "facilitator_error",
      "server",
    ],
  ])("%s proves nothing about a settlement", async (_, fault, reason, health) => {
    const url = typeof fault === "string" ? fault : await serve(fault);
    const { verify, settle } = await call(url);
    expect(verify).toEqual({
      outcome: { class: "unavailable", reason, retryAfterMs: null },
      health,
      doubtful: false,
    });
    expect(settle).toEqual({ outcome: { class: "ambiguous", reason, transaction: null }, health });
  });

  it("an answer in time is read, and so is what a 429 asks for", async () => {
    const body = {
      isValid: true,
      success: true,
      transaction: HASH,
      network: NETWORK,
      payer: PAYER,
    };
    const good = await call(await serve(answering("200 OK", JSON.stringify(body))));
    expect(good.verify.outcome).toEqual({ class: "valid", payer: PAYER });
    expect(good.settle.outcome).toEqual({ class: "settled", transaction: HASH });
    const limited = await call(
      await serve(answering("429 Too Many Requests", "slow down", ["Retry-After: 3"])),
    );
    expect(limited.settle.outcome).toEqual({
      class: "unavailable",
      reason: "rate_limited",
      retryAfterMs: 3_000,
    });
  });
});
