/** A tenant that is paid into its own wallet: at the command line, on the local chain, and with a contract as wallet. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PlatformApi } from "../../src/cli/platform-api.ts";
import { createTenantResponseSchema } from "../../src/contracts/tenant-api.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { tokenBalance } from "../support/chain-facts.ts";
import { runClaw } from "../support/dev-process.ts";
import { Payer } from "../support/payer.ts";
import { OPERATOR_TOKEN, TestWorld } from "../support/platform.ts";

/** A contract that takes every signature: answers 0x1626ba7e to whatever it is asked (EIP-1271). */
const SAYS_YES = `0x7f1626ba7e${"00".repeat(28)}5f5260205ff3` as const;
/** One that answers nothing. */
const SAYS_NOTHING = "0x00";
const PRICE_ATOMIC = 10_000n;

let world: TestWorld;
let chain: ChainTestClient;
let directory: string;

beforeAll(async () => {
  world = await TestWorld.start();
  chain = chainTestClient(world.chain.rpcUrl);
  directory = await mkdtemp(join(tmpdir(), "claw-direct-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await world?.stop();
});

/** `claw tenant create … --collection direct`, with further flags. */
function create(tenantId: string, wallet: string, ...flags: string[]) {
  const env = { CLAW_URL: world.url, CLAW_OPERATOR_TOKEN: OPERATOR_TOKEN, CLAW_API_KEY: "" };
  const args = ["tenant", "create", tenantId, "--wallet", wallet, "--collection", "direct"];
  return runClaw([...args, ...flags], { cwd: directory, env });
}

function freshId(): string {
  return `t-${randomBytes(6).toString("hex")}`;
}

test("a paid call goes straight to the wallet, without a fee, and nothing is left to pay out", async () => {
  const privateKey = generatePrivateKey();
  const { address } = privateKeyToAccount(privateKey);
  const keyFile = join(directory, "wallet.key");
  await writeFile(keyFile, `${privateKey}\n`);
  const created = await create(freshId(), address, "--wallet-key", keyFile, "--json");
  expect(created).toMatchObject({ code: 0, stderr: "" });
  const { tenantId, apiKey, payTo, wallet } = createTenantResponseSchema.parse(
    JSON.parse(created.stdout),
  );
  expect([payTo, wallet]).toEqual([address.toLowerCase(), address.toLowerCase()]);

  const api = new PlatformApi(world.url, apiKey);
  const [url = ""] = await world.sellCities({ tenantId, apiKey, payTo, wallet, api });
  expect(await new Payer(payers[0].privateKey).pay(url)).toMatchObject({ status: 200 });

  expect(await tokenBalance(chain, address)).toBe(PRICE_ATOMIC);
  const { receipts } = await api.receipts(new URLSearchParams());
  expect(receipts).toMatchObject([{ payTo, feeAtomic: "0", netAtomic: `${PRICE_ATOMIC}` }]);
  expect(await api.balance()).toMatchObject({
    settledAtomic: `${PRICE_ATOMIC}`,
    feesAtomic: "0",
    payableAtomic: "0",
    availableAtomic: "0",
    paidOutAtomic: `${PRICE_ATOMIC}`,
  });
  const env = { CLAW_URL: world.url, CLAW_API_KEY: apiKey };
  const payout = await runClaw(["payout"], { cwd: directory, env });
  expect(payout).toMatchObject({ code: 3, stderr: expect.stringContaining("direct_collection") });
});

test("without the key at hand the message is shown, and what was signed elsewhere is taken", async () => {
  const owner = privateKeyToAccount(generatePrivateKey());
  const tenantId = freshId();
  const shown = await create(tenantId, owner.address);
  expect(shown.code).toBe(2);
  const message = /all of it:\n\n([\s\S]+?)\n\n {2}then add/.exec(shown.stderr)?.[1] ?? "";
  expect(message).toContain(`the tenant ${tenantId} (local)`);
  const nonce = /--wallet-nonce (\w+)/.exec(shown.stderr)?.[1] ?? "";
  const signature = await owner.signMessage({ message });
  const signed = ["--wallet-nonce", nonce, "--wallet-signature", signature];
  expect(await create(tenantId, owner.address, ...signed)).toMatchObject({ code: 0 });
});

test("a contract wallet says itself what it signed", async () => {
  const wallet = `0x${randomBytes(20).toString("hex")}` as const;
  const operator = new PlatformApi(world.url, OPERATOR_TOKEN);
  const prove = async () => {
    const tenantId = freshId();
    const { nonce } = await operator.challengeWallet({ tenantId, wallet });
    const walletProof = { nonce, signature: `0x${"12".repeat(96)}` };
    return operator.createTenant({ tenantId, wallet, collection: "direct", walletProof });
  };
  await chain.setCode({ address: wallet, bytecode: SAYS_NOTHING });
  await expect(prove()).rejects.toThrow("is not signed by");
  await chain.setCode({ address: wallet, bytecode: SAYS_YES });
  expect(await prove()).toMatchObject({ payTo: wallet, collection: "direct" });
});
