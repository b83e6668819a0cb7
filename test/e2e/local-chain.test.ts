/**
 * The chain as a process: it keeps what happened on it whatever happens to the process that started it, keeps time,
 * and never outlives anybody's interest in it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { erc20Abi, parseAbiItem } from "viem";
import type { Address, Hex } from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { PAYER_FUNDS_ATOMIC } from "../../src/local/chain-set-up.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { startChain } from "../../src/local/chain.ts";
import type { LocalChain } from "../../src/local/chain.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";

const CHAIN_MODULE = join(import.meta.dirname, "../../src/local/chain.ts");
const transferEvent = parseAbiItem(
  "event Transfer(address indexed from, address indexed to, uint256 value)",
);

let stateDir: string;
const cleanUps: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "claw-chain-"));
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  await rm(stateDir, { recursive: true });
});

async function start(options: Parameters<typeof startChain>[0]): Promise<LocalChain> {
  const chain = await startChain(options);
  cleanUps.push(() => chain.stop());
  return chain;
}

/** Sends 7 atomic units to a new account. */
async function pay(rpcUrl: string): Promise<{ readonly hash: Hex; readonly payee: Address }> {
  const client = chainTestClient(rpcUrl);
  const payee = privateKeyToAddress(generatePrivateKey());
  const hash = await client.writeContract({
    account: payers[0].address,
    address: USDC_ADDRESS,
    abi: erc20Abi,
    functionName: "transfer",
    args: [payee, 7n],
  });
  await client.waitForTransactionReceipt({ hash });
  return { hash, payee };
}

/** What a chain knows of a payment: the balance, the receipt, and the log that proves it. */
async function tracesOf(rpcUrl: string, { hash, payee }: { hash: Hex; payee: Address }) {
  const client = chainTestClient(rpcUrl);
  const balance = { address: USDC_ADDRESS, abi: erc20Abi, functionName: "balanceOf" } as const;
  const logs = await client.getLogs({
    address: USDC_ADDRESS,
    event: transferEvent,
    args: { to: payee },
    fromBlock: 0n,
  });
  return {
    balance: await client.readContract({ ...balance, args: [payee] }),
    finalizedBalance: await client.readContract({
      ...balance,
      args: [payee],
      blockTag: "finalized",
    }),
    receipt: await client.getTransactionReceipt({ hash }),
    logs,
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("has balances, receipts, logs and finalized state again after a restart, and no more money", async () => {
  const first = await startChain({ stateDir });
  const payment = await pay(first.rpcUrl);
  const before = await tracesOf(first.rpcUrl, payment);
  await first.stop();
  const second = await start({ stateDir });
  const after = await tracesOf(second.rpcUrl, payment);
  expect(after).toEqual({ ...before, finalizedBalance: 7n });
  expect(after.logs).toHaveLength(1);
  const supply = await chainTestClient(second.rpcUrl).readContract({
    address: USDC_ADDRESS,
    abi: erc20Abi,
    functionName: "totalSupply",
  });
  expect(supply).toBe(BigInt(payers.length) * PAYER_FUNDS_ATOMIC);
  await pay(second.rpcUrl);
});

test("loses nothing and ends by itself when the process group that started it is killed", async () => {
  const program = `
    const { startChain } = await import(${JSON.stringify(CHAIN_MODULE)});
    const { rpcUrl, pid } = await startChain({ stateDir: ${JSON.stringify(stateDir)} });
    console.log(JSON.stringify({ rpcUrl, pid }));
    setInterval(() => {}, 1_000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const [line]: Buffer[] = await once(parent.stdout, "data");
  const orphan = JSON.parse(String(line)) as { rpcUrl: string; pid: number };
  const payment = await pay(orphan.rpcUrl);
  process.kill(-(parent.pid ?? 0), "SIGKILL");
  // At once, while the old chain may still be saving.
  const second = await start({ stateDir });
  expect(isAlive(orphan.pid)).toBe(false);
  expect(await tracesOf(second.rpcUrl, payment)).toMatchObject({ balance: 7n });
});

test("is gone, process and all, when it was stopped", async () => {
  const chain = await startChain({ stateDir: null });
  await chain.stop();
  expect(isAlive(chain.pid)).toBe(false);
  await expect(fetch(chain.rpcUrl)).rejects.toThrow("fetch failed");
  await chain.stop();
});

describe("time", () => {
  test("passes without transactions, for finalized blocks too", async () => {
    const chain = await start({ stateDir: null });
    const client = chainTestClient(chain.rpcUrl);
    const { number } = await client.getBlock();
    await vi.waitFor(
      async () => {
        const finalized = await client.getBlock({ blockTag: "finalized" });
        expect(finalized.number).toBeGreaterThan(number);
        expect(Number(finalized.timestamp)).toBeGreaterThan(Date.now() / 1_000 - 10);
      },
      { timeout: 30_000, interval: 100 },
    );
  });

  test("stands still when mining is switched off, and a payment stays pending", async () => {
    const chain = await start({ stateDir: null });
    const client = chainTestClient(chain.rpcUrl);
    await client.setAutomine(false);
    // A block that the clock was about to mine still comes.
    await delay(500);
    const hash = await client.sendTransaction({
      account: payers[1].address,
      to: payers[2].address,
    });
    const { number } = await client.getBlock();
    // Longer than the clock's interval of a second.
    await delay(1_500);
    expect((await client.getBlock()).number).toBe(number);
    await client.setAutomine(true);
    const receipt = await client.waitForTransactionReceipt({ hash });
    expect(receipt.blockNumber).toBe(number + 1n);
  });
});

describe("a failure", () => {
  test("to listen is told in the node's words", async () => {
    const chain = await start({ stateDir: null });
    const port = Number(new URL(chain.rpcUrl).port);
    await expect(startChain({ stateDir: null, port })).rejects.toThrow(/Address already in use/);
  });

  test("to restore names the file", async () => {
    await writeFile(join(stateDir, "chain.json.gz"), "half a ch");
    await expect(startChain({ stateDir })).rejects.toThrow(/chain\.json\.gz cannot be restored/);
  });

  test("of the node in the middle of things is reported", async () => {
    const onFailure = vi.fn<(reason: string) => void>();
    const chain = await start({ stateDir: null, onFailure });
    process.kill(chain.pid, "SIGKILL");
    await vi.waitFor(
      () => expect(onFailure).toHaveBeenCalledWith(expect.stringContaining("SIGKILL")),
      { timeout: 30_000, interval: 50 },
    );
  });
});
