import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import type { PayoutSigningRequest } from "../../src/chain/payout-policy.ts";
import { DepositSigner, type SignerEnv } from "../../src/chain/deposit-signer.ts";
import { recoverAuthorizationSigner } from "../../src/chain/eip3009.ts";
import { payoutNonce } from "../../src/chain/payout-authorization.ts";
import { insertTenant, takeSerial } from "../../src/tenant/directory/create-tenant.ts";
import { tenantIdSchema } from "../../src/tenant/tenant-id.ts";

const WALLET = "0x00000000000000000000000000000000000000aa";
const STRANGER = "0x00000000000000000000000000000000000000cc";
const asset = {
  address: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
  name: "USDC",
  version: "2",
};

/** A tenant as the control plane makes it; paid into its deposit account unless told otherwise. */
async function createTenant(name: string, payTo?: string) {
  const tenantId = tenantIdSchema.parse(name);
  const serial = await takeSerial(env.DB);
  const depositAddress = await env.DEPOSIT_SIGNER.depositAddress(serial);
  const conflict = await insertTenant(
    env.DB,
    {
      serial,
      tenantId,
      plan: "free",
      wallet: WALLET,
      collection: "treasury",
      network: "eip155:84532",
      payTo: payTo ?? depositAddress,
      createdAtMs: Date.now(),
    },
    {
      hash: serial.toString(16).padStart(64, "0"),
      prefix: "claw_test123",
      createdAtMs: Date.now(),
      expiresAtMs: null,
    },
    "tests",
  );
  expect(conflict).toBeNull();
  return { tenantId, serial, depositAddress };
}

let request: PayoutSigningRequest;
let depositAddress: string;

beforeAll(async () => {
  const tenant = await createTenant("acme");
  depositAddress = tenant.depositAddress;
  request = {
    tenantId: tenant.tenantId,
    serial: tenant.serial,
    payoutId: "out_acme_1",
    network: "eip155:84532",
    asset,
    wallet: WALLET,
    amountAtomic: 10_000_000_000n,
    validAfterMs: 0,
    validBeforeMs: Date.now() + 3_600_000,
  };
});

describe("the deposit signer", () => {
  it("gives every tenant a deposit account of its own", async () => {
    const next = await env.DEPOSIT_SIGNER.depositAddress(request.serial + 1);
    expect(depositAddress).toMatch(/^0x[0-9a-f]{40}$/);
    expect(next).not.toBe(depositAddress);
  });

  it("signs a payout to the tenant's wallet with its deposit account", async () => {
    const reply = await env.DEPOSIT_SIGNER.signPayout(request);
    if (reply.result !== "signed") throw new Error(reply.reason);
    expect(reply.from).toBe(depositAddress);
    expect(reply.nonce).toBe(payoutNonce(request.payoutId));
    const signer = await recoverAuthorizationSigner({
      authorization: {
        network: request.network,
        asset: asset.address,
        payer: reply.from,
        payee: WALLET,
        amountAtomic: request.amountAtomic,
        nonce: reply.nonce,
        validAfterMs: request.validAfterMs,
        validBeforeMs: request.validBeforeMs,
      },
      domain: asset,
      signature: reply.signature,
    });
    expect(signer).toBe(depositAddress);
  });

  it("gives the same bytes when asked again", async () => {
    const first = await env.DEPOSIT_SIGNER.signPayout(request);
    expect(await env.DEPOSIT_SIGNER.signPayout(request)).toEqual(first);
  });

  it("refuses any destination but the wallet in the directory", async () => {
    expect(await env.DEPOSIT_SIGNER.signPayout({ ...request, wallet: STRANGER })).toEqual({
      result: "refused",
      reason: "destination_not_tenant_wallet",
    });
  });

  it("refuses a serial that is another tenant's", async () => {
    const { serial } = await createTenant("other");
    expect(await env.DEPOSIT_SIGNER.signPayout({ ...request, serial })).toEqual({
      result: "refused",
      reason: "unknown_tenant",
    });
  });

  it("refuses a tenant that is not paid into its deposit account", async () => {
    const { tenantId, serial } = await createTenant("elsewhere", STRANGER);
    expect(await env.DEPOSIT_SIGNER.signPayout({ ...request, tenantId, serial })).toEqual({
      result: "refused",
      reason: "not_deposit_account",
    });
  });

  it("refuses more than the cap", async () => {
    const over = { ...request, amountAtomic: 10_000_000_001n };
    expect(await env.DEPOSIT_SIGNER.signPayout(over)).toEqual({
      result: "refused",
      reason: "amount_over_cap",
    });
  });

  it("refuses an authorization that would stay valid for long", async () => {
    const long = { ...request, validBeforeMs: Date.now() + 10_800_000 };
    expect(await env.DEPOSIT_SIGNER.signPayout(long)).toEqual({
      result: "refused",
      reason: "validity_out_of_bounds",
    });
  });

  it("refuses a request that it cannot read, without an error", async () => {
    const malformed = { ...request, network: "eip155:0" };
    expect(await env.DEPOSIT_SIGNER.signPayout(malformed)).toEqual({
      result: "refused",
      reason: "malformed_request",
    });
  });
});

describe("a deposit signer that is set up wrongly", () => {
  it.each(["", "0x5e", "5e".repeat(32)])("says so when the seed is %j", async (DEPOSIT_SEED) => {
    await expect(signerWith({ DEPOSIT_SEED }).depositAddress(1)).rejects.toThrow(
      "configuration DEPOSIT_SEED: must be 0x and 64 hexadecimal digits (32 bytes)",
    );
  });

  it("derives other accounts in another environment", async () => {
    const address = await signerWith({ ENVIRONMENT: "production" }).depositAddress(request.serial);
    expect(address).not.toBe(depositAddress);
  });

  it("signs nothing while the directory cannot be read", async () => {
    const down = { prepare: () => fail("D1 is down") } as unknown as D1Database;
    expect(await signerWith({ DB: down }).signPayout(request)).toEqual({
      result: "refused",
      reason: "directory_unavailable",
    });
  });
});

function signerWith(change: Partial<SignerEnv>): DepositSigner {
  return new DepositSigner(createExecutionContext(), { ...env, ...change });
}

function fail(message: string): never {
  throw new Error(message);
}
