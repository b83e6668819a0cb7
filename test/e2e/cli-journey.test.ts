/** A creator's and a buyer's day at the command line, against a running platform. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, erc20Abi, http } from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { beforeAll, expect, test, vi } from "vitest";
import * as z from "zod";
import { balanceSchema, payoutSchema, receiptListSchema } from "../../src/contracts/tenant-api.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import { runClaw } from "../support/dev-process.ts";
import { OPERATOR_TOKEN, TestWorld } from "../support/platform.ts";

const callSchema = z.object({
  status: z.number(),
  payment: z.object({ success: z.boolean(), transaction: z.string() }),
  body: z.string(),
});

let world: TestWorld;
let directory: string;

beforeAll(async () => {
  world = await TestWorld.start();
  return () => world.stop();
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-journey-"));
  return () => rm(directory, { recursive: true, force: true });
});

/** Runs a command that must succeed and returns what it printed. */
async function claw(...args: string[]): Promise<string> {
  const env = { CLAW_URL: world.url, CLAW_OPERATOR_TOKEN: OPERATOR_TOKEN, CLAW_API_KEY: "" };
  const { code, stdout, stderr } = await runClaw(args, { cwd: directory, env });
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

async function clawJson<Schema extends z.ZodType>(schema: Schema, ...args: string[]) {
  return schema.parse(JSON.parse(await claw(...args, "--json")));
}

test("goes from an empty directory to money in the wallet", async () => {
  const wallet = privateKeyToAddress(generatePrivateKey());
  expect(await claw("init", "--tenant", "journey")).toContain("wrote claw.json");
  expect(await claw("tenant", "create", "journey", "--wallet", wallet)).toContain("shown once");
  expect(await claw("upload")).toMatch(/population +integer/);
  expect(await claw("deploy")).toContain(`${world.url}/t/journey/cities `);

  const paid = await clawJson(callSchema, "call", "/t/journey/cities?limit=2");
  expect(paid).toMatchObject({ status: 200, payment: { success: true } });
  expect(JSON.parse(paid.body).data).toHaveLength(2);

  const { receipts } = await clawJson(receiptListSchema, "receipts", "--route", "/cities");
  expect(receipts).toHaveLength(1);
  const [receipt] = receipts;
  expect(receipt?.transaction).toBe(paid.payment.transaction);
  expect(await claw("receipts", String(receipt?.paymentId))).toContain(paid.payment.transaction);

  await vi.waitFor(
    async () => {
      const balance = await clawJson(balanceSchema, "balance");
      expect(balance.availableAtomic).toBe(receipt?.netAtomic);
    },
    { timeout: 45_000, interval: 250 },
  );
  const payout = await clawJson(payoutSchema, "payout", "--wait");
  expect(payout.amountAtomic).toBe(receipt?.netAtomic);
  expect(await claw("payout", payout.payoutId)).toContain(String(payout.transaction));
  expect(await usdcBalance(wallet)).toBe(BigInt(String(receipt?.netAtomic)));
});

test("a payout of nothing is refused with exit 3", async () => {
  const tenant = await world.createTenant();
  const { code, stderr } = await runClaw(["payout", "--url", world.url], {
    cwd: directory,
    env: { CLAW_API_KEY: tenant.apiKey },
  });
  expect(code).toBe(3);
  expect(stderr).toContain("(nothing_available)");
});

test("a payer without money gets exit 4 and is told that nothing was taken", async () => {
  const [url] = await world.sellCities(await world.createTenant());
  const { code, stdout, stderr } = await runClaw(["call", String(url)], {
    cwd: directory,
    env: { CLAW_PAYER_KEY: generatePrivateKey() },
  });
  expect(code).toBe(4);
  expect(stdout).not.toContain('"data"');
  expect(stderr).toContain("the payment was not accepted");
});

test("a wrong API key is refused with exit 3", async () => {
  const { code, stderr } = await runClaw(["balance", "--url", world.url], {
    cwd: directory,
    env: { CLAW_API_KEY: `claw_${"x".repeat(32)}` },
  });
  expect(code).toBe(3);
  expect(stderr).toContain("(unauthorized)");
});

function usdcBalance(account: `0x${string}`): Promise<bigint> {
  return createPublicClient({ transport: http(world.chain.rpcUrl) }).readContract({
    address: USDC_ADDRESS,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [account],
  });
}
