/** Another wallet for payouts: announced, cancelable, and in place after a while. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseConfig } from "../../src/config.ts";
import { auditListSchema } from "../../src/contracts/admin-api.ts";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import { walletViewSchema } from "../../src/contracts/wallet.ts";
import { sweepWalletChanges } from "../../src/tenant/wallet-changes.ts";
import {
  type TestTenant,
  WALLET,
  call,
  createTenant,
  problemOf,
} from "../support/control-plane.ts";

const NEW_WALLET = `0x${"d0".repeat(20)}`;
const WAIT_MS = 60_000;
const NOW_MS = Date.UTC(2026, 10, 23);

let tenant: TestTenant;

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW_MS, toFake: ["Date"] });
  tenant = await createTenant();
});

afterEach(() => {
  vi.useRealTimers();
});

function change(wallet = NEW_WALLET): Promise<Response> {
  return call("PUT /v1/wallet", { credential: tenant.apiKey, body: { wallet } });
}

async function view() {
  const response = await call("GET /v1/wallet", { credential: tenant.apiKey });
  return walletViewSchema.parse(await response.json());
}

async function alertKinds(): Promise<string[]> {
  const response = await call(`GET /admin/alerts?tenant=${tenant.tenantId}`, {
    credential: env.OPERATOR_TOKEN,
  });
  const { alerts } = platformAlertListSchema.parse(await response.json());
  return alerts.map(({ kind }) => kind);
}

async function sweepAt(atMs: number): Promise<void> {
  vi.setSystemTime(atMs);
  await sweepWalletChanges(env, atMs);
}

describe("a change of the wallet", () => {
  it("waits, is announced at once, and takes effect by itself", async () => {
    expect((await change()).status).toBe(202);
    const pending = {
      wallet: NEW_WALLET,
      requestedAtMs: NOW_MS,
      effectiveAtMs: NOW_MS + WAIT_MS,
    };
    expect(await view()).toEqual({ collection: "treasury", wallet: WALLET, pending });
    expect(await alertKinds()).toEqual(["wallet_change_requested"]);
    await sweepAt(NOW_MS + WAIT_MS - 1);
    expect((await view()).wallet).toBe(WALLET);
    await sweepAt(NOW_MS + WAIT_MS);
    expect(await view()).toMatchObject({ wallet: NEW_WALLET, pending: null });
    expect(await alertKinds()).toEqual(["wallet_changed", "wallet_change_requested"]);
  });

  it("is what the signer goes by: the old wallet until then, the new one from then on", async () => {
    await change();
    expect(await signedTo(NEW_WALLET)).toBe("destination_not_tenant_wallet");
    expect(await signedTo(WALLET)).toBe("signed");
    await sweepAt(NOW_MS + WAIT_MS);
    expect(await signedTo(WALLET)).toBe("destination_not_tenant_wallet");
    expect(await signedTo(NEW_WALLET)).toBe("signed");
  });

  it("is canceled by the tenant or by an operator, on record under the name", async () => {
    await change();
    expect((await call("POST /v1/wallet/cancel", { credential: tenant.apiKey })).status).toBe(200);
    await change();
    const canceled = await call(`POST /admin/tenants/${tenant.tenantId}/wallet/cancel`, {
      credential: env.OPERATOR_TOKEN,
      body: { reason: "the owner called: it was not them" },
    });
    expect(walletViewSchema.parse(await canceled.json()).pending).toBeNull();
    await sweepAt(NOW_MS + WAIT_MS);
    expect((await view()).wallet).toBe(WALLET);
    const audit = await call(`GET /admin/audit?tenant=${tenant.tenantId}&limit=4`, {
      credential: env.OPERATOR_TOKEN,
    });
    expect(auditListSchema.parse(await audit.json()).entries).toMatchObject([
      { action: "wallet.cancel", operator: "tests", subject: NEW_WALLET },
      { action: "wallet.change", actor: "tenant", operator: null },
      { action: "wallet.cancel", actor: "tenant" },
      { action: "wallet.change", actor: "tenant" },
    ]);
    expect(await alertKinds()).toHaveLength(4);
  });

  it("asked for again keeps its time; another one takes its place and waits anew", async () => {
    await change();
    vi.setSystemTime(NOW_MS + 1_000);
    expect(walletViewSchema.parse(await (await change()).json()).pending).toMatchObject({
      effectiveAtMs: NOW_MS + WAIT_MS,
    });
    const other = `0x${"d1".repeat(20)}`;
    await change(other);
    await sweepAt(NOW_MS + WAIT_MS);
    expect(await view()).toMatchObject({ wallet: WALLET, pending: { wallet: other } });
    await sweepAt(NOW_MS + WAIT_MS + 1_000);
    expect(await view()).toMatchObject({ wallet: other, pending: null });
  });

  it("is announced by a later sweep when the queue is away", async () => {
    const away = { sendBatch: () => Promise.reject(new Error("the queue is away")) };
    await env.DB.prepare(
      `INSERT INTO wallet_changes
         (tenant_serial, wallet, requested_at_ms, effective_at_ms, state, announced)
       SELECT serial, ?, ?, ?, 'pending', 0 FROM tenants WHERE tenant_id = ?`,
    )
      .bind(NEW_WALLET, NOW_MS, NOW_MS + WAIT_MS, tenant.tenantId)
      .run();
    const broken = { ...env, DB: failingBatch(env.DB), ALERTS: away as unknown as Env["ALERTS"] };
    await expect(sweepWalletChanges(broken, NOW_MS)).rejects.toThrow("D1 is away");
    expect(await alertKinds()).toEqual([]);
    await sweepWalletChanges(env, NOW_MS);
    expect(await alertKinds()).toEqual(["wallet_change_requested"]);
  });

  it("takes nothing that money can't be paid out to", async () => {
    const other = await createTenant();
    for (const wallet of [`0x${"00".repeat(20)}`, other.payTo, tenant.payTo, WALLET, "0x12"]) {
      expect(await problemOf(await change(wallet))).toEqual({
        status: 400,
        code: "invalid_request",
        fields: ["wallet"],
      });
    }
    expect((await view()).pending).toBeNull();
  });

  it("needs one to be canceled", async () => {
    const response = await call("POST /v1/wallet/cancel", { credential: tenant.apiKey });
    expect(await problemOf(response)).toMatchObject({ status: 404 });
  });
});

it.each([
  ["local", "999"],
  ["production", "60000"],
  ["production", "soon"],
])("in %s a wait of %s is refused", (ENVIRONMENT, WALLET_CHANGE_WAIT_MS) => {
  expect(() => parseConfig({ ...env, ENVIRONMENT, WALLET_CHANGE_WAIT_MS })).toThrow(
    /^configuration WALLET_CHANGE_WAIT_MS: must be milliseconds, from /,
  );
});

async function signedTo(wallet: string): Promise<string> {
  const { serial } = await env.DB.prepare("SELECT serial FROM tenants WHERE tenant_id = ?")
    .bind(tenant.tenantId)
    .first<{ serial: number }>()
    .then((row) => row ?? { serial: 0 });
  const reply = await env.DEPOSIT_SIGNER.signPayout({
    tenantId: tenant.tenantId,
    serial,
    payoutId: `out_${tenant.tenantId}_1`,
    network: "eip155:84532",
    asset: { address: `0x${"12".repeat(20)}`, name: "USDC", version: "2" },
    wallet,
    amountAtomic: 1n,
    validAfterMs: 0,
    validBeforeMs: Date.now() + 60_000,
  });
  return reply.result === "signed" ? "signed" : reply.reason;
}

/** A database that reads, but takes no batch with an alert in it. */
function failingBatch(db: D1Database): D1Database {
  let batches = 0;
  return new Proxy(db, {
    get(target, property) {
      if (property === "batch") {
        return (statements: D1PreparedStatement[]) => {
          batches += 1;
          if (batches > 1) throw new Error("D1 is away");
          return target.batch(statements);
        };
      }
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
