/** The command line as scripts and people meet it: help, errors with their remedy, and exit codes. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { runClaw } from "../support/dev-process.ts";

const COMMANDS = [
  "dev",
  "golden",
  "init",
  "tenant create",
  "tenant suspend",
  "tenant resume",
  "tenant delete",
  "operator token",
  "upload",
  "deploy",
  "deployments",
  "rollback",
  "key list",
  "key rotate",
  "key revoke",
  "export",
  "call",
  "receipts",
  "limits",
  "limits request",
  "balance",
  "payout",
];

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-cli-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function claw(args: readonly string[], env: Record<string, string> = {}) {
  return runClaw(args, { cwd: directory, env: { CLAW_URL: "", CLAW_API_KEY: "", ...env } });
}

describe("help", () => {
  test("names every command and every exit code", async () => {
    const { code, stdout } = await claw(["--help"]);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toContain(`\n  ${command.split(" ")[0]} `);
    for (const exitCode of [0, 1, 2, 3, 4, 5, 6]) expect(stdout).toContain(`\n  ${exitCode}  `);
  });

  test.each(COMMANDS)("of %s has flags and an example", async (command) => {
    const { code, stdout } = await claw([...command.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("--json");
    expect(stdout).toContain(`Example:\n  claw ${command}`);
  });
});

describe("wrong usage exits with 2 and says what to do", () => {
  test.each([
    ["an unknown command", ["fly"], "unknown command 'fly'"],
    ["an unknown flag", ["balance", "--fly"], "unknown option '--fly'"],
    ["a port that is none", ["dev", "--port", "http"], "--port: must be a whole number"],
    ["a port that is empty", ["dev", "--port", ""], "--port: must be a whole number"],
    [
      "a port too high",
      ["dev", "--port", "65536"],
      "--port: must be a whole number from 0 to 65535",
    ],
    ["a facilitator that is no URL", ["dev", "--facilitator", "here"], "--facilitator: must be"],
    ["a network of another kind", ["dev", "--network", "solana:x"], "--network: must look like"],
    ["a network the local chain is not", ["dev", "--network", "eip155:8453"], "need an RPC URL"],
    ["a short operator token", ["dev", "--operator-token", "x"], "--operator-token: must have"],
    ["an operator's name in capitals", ["operator", "token", "Ann"], "the name must be 1 to 32"],
    ["a tenant without wallet", ["tenant", "create", "acme"], "--wallet <address>' not specified"],
    ["a wallet that is none", ["tenant", "create", "acme", "--wallet", "0x1"], "--wallet: must be"],
    ["a deploy without manifest", ["deploy"], "no claw.json in"],
    ["a tenant id that is reserved", ["init", "--tenant", "admin"], "--tenant: must be"],
    ["an amount that is none", ["payout", "--amount", "much"], '--amount: "much" is not'],
    ["a time that is none", ["receipts", "--from", "soon"], '--from: "soon" is no time'],
    ["a call to nowhere", ["call", "cities"], '"cities" is neither a URL nor a path'],
    ["a paid call without a key", ["call", "https://api.example.com/x"], "no private key"],
    ["no API key", ["balance"], "no API key for any tenant"],
  ])("%s", async (_what, args, message) => {
    const { code, stdout, stderr } = await claw(args);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(stdout).toBe("");
  });
});

test("an error is one JSON document on stderr with --json", async () => {
  const { stderr } = await claw(["balance", "--json"]);
  expect(JSON.parse(stderr)).toEqual({
    error: {
      reason: "usage",
      message: expect.stringContaining("no API key"),
      remedy: expect.stringContaining("claw tenant create"),
    },
  });
});

describe("a platform that", () => {
  test("does not answer is exit 5, with how to start one", async () => {
    const url = await serve((_request, response) => response.destroy());
    const { code, stderr } = await claw(["balance", "--url", url], { CLAW_API_KEY: "claw_x" });
    expect(code).toBe(5);
    expect(stderr).toContain(`error: no answer from ${url}`);
    expect(stderr).toContain("claw dev");
  });

  test("refuses is exit 3, with its reason and code", async () => {
    const url = await serve((_request, response) => {
      const problem = { title: "A credential is needed", status: 401, code: "unauthorized" };
      response.writeHead(401, { "Content-Type": "application/problem+json" });
      response.end(JSON.stringify(problem));
    });
    const { code, stderr } = await claw(["balance", "--url", url], { CLAW_API_KEY: "claw_x" });
    expect(code).toBe(3);
    expect(stderr).toContain("error: A credential is needed (unauthorized)");
    expect(stderr).toContain("check the API key");
    expect(stderr).not.toContain("claw_x");
  });

  test("answers something else than the contract is exit 1", async () => {
    const url = await serve((_request, response) => response.end("{}"));
    const { code, stderr } = await claw(["balance", "--url", url], { CLAW_API_KEY: "claw_x" });
    expect(code).toBe(1);
    expect(stderr).toContain("does not understand");
  });

  test("serves a call for free is printed as it is, and nothing is paid", async () => {
    const url = await serve((_request, response) => response.end("free\n"));
    const { code, stdout, stderr } = await claw(["call", `${url}/x`]);
    expect([code, stdout]).toEqual([0, "free\n"]);
    expect(stderr).not.toContain("paid");
  });

  test("asks for more than --max-price is not paid", async () => {
    const paymentHeaders: unknown[] = [];
    const url = await serve((request, response) => {
      paymentHeaders.push(request.headers["payment-signature"]);
      response.writeHead(402, { "PAYMENT-REQUIRED": encodeQuote("50000") });
      response.end("{}");
    });
    const { code, stderr } = await claw(["call", `${url}/x`, "--max-price", "0.01"]);
    expect(code).toBe(4);
    expect(stderr).toContain("the call costs $0.05, more than --max-price $0.01");
    expect(paymentHeaders).toEqual([undefined]);
  });

  test("does not know yet what became of a payment gets the same payment again", async () => {
    const paymentHeaders: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      const header = request.headers["payment-signature"];
      if (header === undefined) {
        response.writeHead(402, { "PAYMENT-REQUIRED": encodeQuote("10000") });
        response.end("{}");
        return;
      }
      paymentHeaders.push(String(header));
      if (paymentHeaders.length < 3) {
        response.writeHead(503, { "Retry-After": "0.05" });
        response.end(JSON.stringify({ code: "settlement_unknown" }));
        return;
      }
      response.end("rows\n");
    });
    const { code, stdout } = await claw(["call", `${url}/x`]);
    expect([code, stdout]).toEqual([0, "rows\n"]);
    expect(paymentHeaders).toHaveLength(3);
    expect(new Set(paymentHeaders).size).toBe(1);
  });

  test.each([
    [
      "what was charged, which can be less than was signed",
      { amount: "2500" },
      "settled",
      "$0.0025",
    ],
    ["the price where the server says no amount", {}, "settled", "$0.01"],
    ["nothing for a payment that an earlier one stands for", {}, "superseded", "$0"],
    ["nothing for a settlement that failed", { success: false }, "failed", "$0"],
  ])("is paid: %s", async (_what, settlement, paymentStatus, paid) => {
    const url = await serve((request, response) => {
      if (request.headers["payment-signature"] === undefined) {
        response.writeHead(402, { "PAYMENT-REQUIRED": encodeQuote("10000") });
        response.end("{}");
        return;
      }
      const receipt = { success: true, transaction: "0x12", network: "eip155:84532", payer: "0x1" };
      response.writeHead(200, {
        "Payment-Status": paymentStatus,
        "PAYMENT-RESPONSE": btoa(JSON.stringify({ ...receipt, ...settlement })),
      });
      response.end("rows\n");
    });
    const { code, stdout, stderr } = await claw(["call", `${url}/x`]);
    expect([code, stdout]).toEqual([0, "rows\n"]);
    expect(stderr).toContain(`\npaid         ${paid}\n`);
  });
});

test("init writes a project and says what comes next", async () => {
  const { code, stdout } = await claw(["init", "shop", "--tenant", "bravo"]);
  expect(code).toBe(0);
  expect(stdout).toContain("next:\n  cd shop\n  claw tenant create bravo");
  const manifest = JSON.parse(await readFile(join(directory, "shop", "claw.json"), "utf8"));
  expect(manifest.tenant).toBe("bravo");
});

test("init refuses to overwrite, and exits with 2", async () => {
  await writeFile(join(directory, "claw.json"), "mine");
  const { code, stderr } = await claw(["init"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--force");
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was opened");
  return `http://127.0.0.1:${address.port}`;
}

function encodeQuote(amount: string): string {
  const offer = {
    scheme: "exact",
    network: "eip155:84532",
    amount,
    asset: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    payTo: "0x1111111111111111111111111111111111111111",
    maxTimeoutSeconds: 60,
    extra: { name: "USDC", version: "2" },
  };
  const resource = { url: "http://127.0.0.1/x", description: "", mimeType: "" };
  return btoa(JSON.stringify({ x402Version: 2, resource, accepts: [offer] }));
}
