/** Direct collection: a tenant that is paid into its own wallet, once it has proved that it is its own. */
import { env } from "cloudflare:workers";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createTenantResponseSchema,
  deploymentResponseSchema,
} from "../../src/contracts/tenant-api.ts";
import { walletChallengeResponseSchema } from "../../src/contracts/wallet.ts";
import { WALLET_CHALLENGE_MS } from "../../src/tenant/wallet-proof.ts";
import {
  type TestTenant,
  call,
  createTenant,
  freshTenantId,
  manifestOf,
  problemOf,
  uploadCities,
} from "../support/control-plane.ts";

const credential = env.OPERATOR_TOKEN;
const INVALID = { status: 400, code: "wallet_proof_invalid" };

let owner: ReturnType<typeof privateKeyToAccount>;
let wallet: string;
let tenantId: string;

beforeEach(() => {
  owner = privateKeyToAccount(generatePrivateKey());
  wallet = owner.address.toLowerCase();
  tenantId = freshTenantId();
});

afterEach(() => {
  vi.useRealTimers();
});

async function challenge(body = { tenantId, wallet }) {
  const response = await call("POST /v1/tenants/wallet-challenges", { credential, body });
  expect(response.status).toBe(201);
  return walletChallengeResponseSchema.parse(await response.json());
}

async function prove(signer = owner, about = { tenantId, wallet }) {
  const { message, nonce } = await challenge(about);
  return { nonce, signature: await signer.signMessage({ message }) };
}

function create(walletProof: unknown, overrides: object = {}): Promise<Response> {
  const body = { tenantId, wallet, collection: "direct", walletProof, ...overrides };
  return call("POST /v1/tenants", { credential, body });
}

async function createDirect(): Promise<TestTenant> {
  return createTenantResponseSchema.parse(await (await create(await prove())).json());
}

describe("the proof", () => {
  it("names platform, tenant, wallet, chain and time, in words that a wallet shows", async () => {
    const { message, nonce, expiresAtMs } = await challenge();
    expect(message).toContain("localhost wants you to sign in with your Ethereum account");
    expect(message).toContain(owner.address);
    expect(message).toContain(`the tenant ${tenantId} (local)`);
    expect(message).toContain("Chain ID: 84532");
    expect(message).toContain(`Nonce: ${nonce}`);
    expect(message).toContain(new Date(expiresAtMs).toISOString());
  });

  it("makes the wallet the place where payments arrive", async () => {
    const response = await create(await prove());
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ payTo: wallet, wallet, collection: "direct" });
  });

  it("is asked for, and only for direct collection", async () => {
    const refused = { status: 400, code: "invalid_request", fields: ["walletProof"] };
    expect(await problemOf(await create(undefined))).toEqual(refused);
    const proof = await prove();
    expect(await problemOf(await create(proof, { collection: "treasury" }))).toEqual(refused);
  });

  it("counts once", async () => {
    const proof = await prove();
    expect((await create(proof)).status).toBe(201);
    const again = await create(proof, { tenantId: freshTenantId() });
    expect(await problemOf(again)).toMatchObject({ status: 409, code: "tenant_exists" });
    const { results } = await env.DB.prepare("SELECT 1 FROM wallet_challenges WHERE nonce = ?")
      .bind(proof.nonce)
      .all();
    expect(results).toEqual([]);
  });

  it("of several uses at the same time, one counts", async () => {
    const proof = await prove();
    const statuses = await Promise.all([1, 2, 3].map(async () => (await create(proof)).status));
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
  });

  it.each([
    ["another key's", async () => prove(privateKeyToAccount(generatePrivateKey()))],
    ["another tenant's", async () => prove(owner, { tenantId: freshTenantId(), wallet })],
    ["another wallet's", async () => prove(owner, { tenantId, wallet: `0x${"ab".repeat(20)}` })],
    [
      "one under a nonce that nobody gave",
      async () => ({ ...(await prove()), nonce: "0".repeat(32) }),
    ],
    [
      "one of a message that was changed",
      async () => {
        const { message, nonce } = await challenge();
        const signature = await owner.signMessage({ message: message.replace(tenantId, "acme") });
        return { nonce, signature };
      },
    ],
    [
      "what only a contract could take, which can't be asked",
      async () => ({ ...(await prove()), signature: `0x${"12".repeat(96)}` }),
    ],
  ])("is not %s", async (_whose, makeProof) => {
    expect(await problemOf(await create(await makeProof()))).toMatchObject(INVALID);
  });

  it("expires", async () => {
    const proof = await prove();
    vi.useFakeTimers({ now: Date.now() + WALLET_CHALLENGE_MS, toFake: ["Date"] });
    expect(await problemOf(await create(proof))).toMatchObject(INVALID);
  });

  it("is asked for by operators only", async () => {
    const body = { tenantId, wallet };
    const { apiKey } = await createTenant();
    const target = "POST /v1/tenants/wallet-challenges";
    expect((await call(target, { body })).status).toBe(401);
    expect((await call(target, { body, credential: apiKey })).status).toBe(403);
  });
});

describe("a wallet that is paid directly", () => {
  it("serves no second tenant, and nobody is paid out to it", async () => {
    await createDirect();
    const taken = { status: 409, code: "tenant_exists", fields: ["wallet"] };
    tenantId = freshTenantId();
    expect(await problemOf(await create(await prove()))).toEqual(taken);
    expect(await problemOf(await create(undefined, { collection: "treasury" }))).toEqual(taken);
  });

  it("is no wallet that a tenant is paid out to, now or soon", async () => {
    const treasury = await createTenant({ wallet: `0x${"cd".repeat(20)}` });
    const soon = await call("PUT /v1/wallet", { credential: treasury.apiKey, body: { wallet } });
    expect(soon.status).toBe(202);
    expect(await problemOf(await create(await prove()))).toMatchObject({ code: "tenant_exists" });
  });

  it("is no address of the platform's", async () => {
    const other = await createTenant();
    wallet = other.payTo;
    expect(await problemOf(await create(await prove()))).toMatchObject({ code: "tenant_exists" });
    wallet = `0x${"00".repeat(20)}`;
    expect(await problemOf(await create(await prove()))).toMatchObject({ code: "invalid_request" });
  });

  it("never changes", async () => {
    const tenant = await createDirect();
    const body = { wallet: `0x${"ab".repeat(20)}` };
    const response = await call("PUT /v1/wallet", { credential: tenant.apiKey, body });
    expect(await problemOf(response)).toMatchObject({ status: 409, code: "direct_collection" });
    await expect(
      env.DB.prepare("UPDATE tenants SET wallet = ? WHERE tenant_id = ?")
        .bind(body.wallet, tenant.tenantId)
        .run(),
    ).rejects.toThrow("never changes");
  });
});

describe("a tenant that is paid directly", () => {
  it("pays no fee per call", async () => {
    const tenant = await createDirect();
    await uploadCities(tenant);
    const response = await call("POST /v1/deployments", {
      credential: tenant.apiKey,
      body: manifestOf(tenant, "$0.01"),
    });
    const { routes } = deploymentResponseSchema.parse(await response.json());
    expect(routes.map(({ feeAtomic, netAtomic }) => [feeAtomic, netAtomic])).toEqual([
      ["0", "10000"],
      ["0", "10000"],
    ]);
  });

  it("has nothing with the platform that could be paid out", async () => {
    const { apiKey, tenantId: id } = await createDirect();
    const headers = { "Idempotency-Key": "0123456789abcdef" };
    const payout = await call("POST /v1/payouts", { credential: apiKey, headers });
    expect(await problemOf(payout)).toMatchObject({ status: 409, code: "direct_collection" });
    const asset = { address: `0x${"12".repeat(20)}`, name: "USDC", version: "2" };
    const serial = await env.DB.prepare("SELECT serial FROM tenants WHERE tenant_id = ?")
      .bind(id)
      .first<number>("serial");
    const signed = await env.DEPOSIT_SIGNER.signPayout({
      tenantId: createTenantResponseSchema.shape.tenantId.parse(id),
      serial: serial ?? 0,
      payoutId: `out_${id}_1`,
      network: "eip155:84532",
      asset,
      wallet,
      amountAtomic: 1n,
      validAfterMs: 0,
      validBeforeMs: Date.now() + 60_000,
    });
    expect(signed).toEqual({ result: "refused", reason: "not_deposit_account" });
  });
});
