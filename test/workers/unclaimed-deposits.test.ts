/** Money that comes to a deposit account without being any payment, in a real ledger on a chain made of its replies. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { JournalRows } from "../../durable-objects/settlement-ledger/store/journal-rows.ts";
import {
  adminPaymentDetailSchema,
  ledgerAlertListSchema,
  reconciliationListSchema,
} from "../../src/contracts/admin-payments.ts";
import { type DepositView, depositListSchema } from "../../src/contracts/refunds.ts";
import { balanceSchema } from "../../src/contracts/tenant-api.ts";
import { ACCOUNTS } from "../../src/settlement/journal.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { FAKE_LOG_INDEX, FakeChain, type FakeTransfer } from "../support/fake-chain.ts";
import { applyEvents, confirmedSale, evidenceOf, hash } from "../support/ledger-events.ts";
import { PAYER, stageCall } from "../support/settled-payments.ts";

const STRANGER = `0x${"cc".repeat(20)}` as const;
const ASSET = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
const chain = new FakeChain();
let tenant: TestTenant;

beforeEach(async () => {
  chain.install();
  tenant = await createTenant();
  await confirmedSale(tenant, hash("01"));
  receive({ payer: PAYER, amountAtomic: 10_000n, transaction: hash("01"), blockNumber: 990n });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function ask(target: string, body?: unknown): Promise<Response> {
  return call(target, { credential: env.OPERATOR_TOKEN, body });
}

/** The deposit account receives a transfer. */
function receive(transfer: Omit<FakeTransfer, "payee" | "payer"> & { payer: string }): void {
  const payer = `0x${transfer.payer.slice(2)}` as const;
  chain.transfers.push({ ...transfer, payer, payee: tenant.payTo });
  chain.balanceAtomic = (chain.balanceAtomic ?? 0n) + transfer.amountAtomic;
}

async function reconcile() {
  const target = `/admin/tenants/${tenant.tenantId}/reconciliation`;
  await ask(`POST ${target}`);
  await runDurableObjectAlarm(stub());
  const { reconciliations } = reconciliationListSchema.parse(
    await (await ask(`GET ${target}`)).json(),
  );
  return reconciliations[0];
}

function stub() {
  return env.SETTLEMENT_LEDGER.getByName(tenant.tenantId);
}

async function deposits(query = ""): Promise<DepositView[]> {
  const response = await ask(`GET /admin/tenants/${tenant.tenantId}/deposits${query}`);
  return depositListSchema.parse(await response.json()).deposits;
}

async function balance() {
  const response = await call("GET /v1/balance", { credential: tenant.apiKey });
  return balanceSchema.parse(await response.json());
}

/** The cached balances, which must be the journal's sums, and sum to zero. */
async function books(): Promise<Record<string, bigint>> {
  return runInDurableObject(stub(), (_ledger, { storage }) => {
    const journal = new JournalRows(storage.sql);
    const sums = journal.recompute(ASSET);
    for (const account of ACCOUNTS) expect(journal.balance(ASSET, account)).toBe(sums.get(account));
    expect([...sums.values()].reduce((total, sum) => total + sum, 0n)).toBe(0n);
    return Object.fromEntries(sums);
  });
}

async function alertKinds(): Promise<string[]> {
  const response = await ask(`GET /admin/tenants/${tenant.tenantId}/alerts`);
  return ledgerAlertListSchema.parse(await response.json()).alerts.map(({ kind }) => kind);
}

test("a transfer that is no payment is booked as unclaimed, and operator and tenant see who sent it", async () => {
  receive({ payer: STRANGER, amountAtomic: 77n, transaction: hash("02"), blockNumber: 995n });
  expect(await reconcile()).toMatchObject({
    outcome: "matches",
    depositAtomic: "10077",
    chainAtomic: "10077",
    scannedBlock: "1000",
  });
  const [deposit] = await deposits();
  expect(deposit).toMatchObject({
    payer: STRANGER,
    amountAtomic: "77",
    transaction: hash("02"),
    logIndex: FAKE_LOG_INDEX,
    claimedBy: null,
    refund: null,
  });
  expect(await balance()).toMatchObject({
    settledAtomic: "10000",
    payableAtomic: "9000",
    unclaimedAtomic: "77",
    unclaimedDeposits: [deposit],
  });
  expect(await books()).toMatchObject({ deposit: 10_077n, unclaimed: -77n, payable: -9_000n });
  expect(await alertKinds()).toEqual(["unclaimed_deposit"]);
});

test("it is booked once, however often the same blocks are searched", async () => {
  receive({ payer: STRANGER, amountAtomic: 77n, transaction: hash("02"), blockNumber: 995n });
  await reconcile();
  await runInDurableObject(stub(), (_ledger, { storage }) => {
    storage.sql.exec("UPDATE reconciliations SET scanned_block = NULL");
  });
  receive({ payer: STRANGER, amountAtomic: 3n, transaction: hash("03"), blockNumber: 996n });
  await reconcile();
  expect((await deposits()).map(({ amountAtomic }) => amountAtomic).toSorted()).toEqual([
    "3",
    "77",
  ]);
  expect(await books()).toMatchObject({ deposit: 10_080n, unclaimed: -80n });
});

test("transfers of nothing, which anybody can send, are left out", async () => {
  receive({ payer: STRANGER, amountAtomic: 0n, transaction: hash("02"), blockNumber: 995n });
  receive({ payer: STRANGER, amountAtomic: 1n, transaction: hash("03"), blockNumber: 996n });
  await reconcile();
  expect((await deposits()).map(({ transaction }) => transaction)).toEqual([hash("03")]);
});

test("what an open payment may have sent is left to it, and looked at again when it is decided", async () => {
  const { paymentId } = await stageCall(tenant);
  receive({ payer: PAYER, amountAtomic: 10_000n, transaction: hash("02"), blockNumber: 994n });
  receive({ payer: STRANGER, amountAtomic: 5n, transaction: hash("03"), blockNumber: 995n });
  expect(await reconcile()).toMatchObject({ outcome: "matches", scannedBlock: "993" });
  expect((await deposits()).map(({ transaction }) => transaction)).toEqual([hash("03")]);

  await applyEvents(tenant, paymentId, [
    { type: "chain_checked", evidence: { found: "canceled", transaction: hash("04") } },
  ]);
  expect(await reconcile()).toMatchObject({ outcome: "matches", scannedBlock: "1000" });
  expect(await books()).toMatchObject({ deposit: 20_005n, unclaimed: -10_005n });
});

test("a transfer that proves a payment after all is no longer unclaimed, and counts once", async () => {
  receive({ payer: PAYER, amountAtomic: 10_000n, transaction: hash("02"), blockNumber: 994n });
  await reconcile();
  expect(await books()).toMatchObject({ deposit: 20_000n, unclaimed: -10_000n });

  const { paymentId } = await stageCall(tenant);
  const found = { found: "transfer", transfer: evidenceOf(hash("02"), 994n) } as const;
  await applyEvents(tenant, paymentId, [
    { type: "chain_checked", evidence: found },
    { type: "chain_checked", evidence: found },
  ]);
  expect(await books()).toMatchObject({ deposit: 20_000n, unclaimed: 0n, payable: -18_000n });
  expect(await deposits()).toMatchObject([{ claimedBy: paymentId }]);
  expect(await balance()).toMatchObject({ unclaimedAtomic: "0", unclaimedDeposits: [] });
});

test("a deposit that is being given back pays for nothing any more", async () => {
  receive({ payer: PAYER, amountAtomic: 10_000n, transaction: hash("02"), blockNumber: 994n });
  await reconcile();
  const [deposit] = await deposits();
  const refund = await call(`POST /v1/deposits/${deposit?.depositId}/refund`, {
    credential: tenant.apiKey,
  });
  expect(refund.status).toBe(201);

  const { paymentId, attempt } = await stageCall(tenant);
  const transfer = evidenceOf(hash("02"), 994n);
  const payment = await applyEvents(tenant, paymentId, [
    {
      type: "attempt_finished",
      attempt,
      outcome: { class: "ambiguous", reason: "timeout", transaction: null },
    },
    { type: "chain_checked", evidence: { found: "transfer", transfer } },
  ]);
  expect(payment).toMatchObject({ state: "unknown", dueAtMs: null });
  expect(await books()).toMatchObject({ unclaimed: 0n, in_flight: -10_000n });
});

test("a long time is searched in bounded ranges, over several alarms and objects, before anyone is alerted", async () => {
  const monthMs = 30 * 24 * 60 * 60 * 1_000;
  await env.DB.prepare("UPDATE tenants SET created_at_ms = ? WHERE tenant_id = ?")
    .bind(Date.now() - monthMs, tenant.tenantId)
    .run();
  chain.head = 25_000n;
  chain.logsMax = 1;
  receive({ payer: STRANGER, amountAtomic: 5n, transaction: hash("02"), blockNumber: 24_001n });
  receive({ payer: STRANGER, amountAtomic: 6n, transaction: hash("03"), blockNumber: 24_002n });
  const outcomes: (string | null | undefined)[] = [];
  for (let alarm = 0; alarm < 6; alarm += 1) {
    const result = await reconcile();
    outcomes.push(result?.outcome);
    if (result?.outcome === "matches") break;
    expect(result?.nextCheckAtMs).toBeLessThan(Date.now() + 5_000);
    expect(await alertKinds()).toEqual([]);
    await evictDurableObject(stub());
  }
  expect(outcomes).toEqual(["surplus", "surplus", "surplus", "matches"]);
  expect(chain.logQuestions.every(([from, to]) => to - from < 1_000n)).toBe(true);
  expect(await books()).toMatchObject({ deposit: 10_011n, unclaimed: -11n });
});

test("what no transfer explains is a difference, and the operator is told", async () => {
  chain.balanceAtomic = 10_009n;
  expect(await reconcile()).toMatchObject({ outcome: "surplus", differenceAtomic: "9" });
  await reconcile();
  expect(await alertKinds()).toEqual(["deposit_mismatch"]);
  expect(await deposits()).toEqual([]);
});

test("deposits come in pages, and to nobody else", async () => {
  for (const byte of ["02", "03", "04"]) {
    receive({ payer: STRANGER, amountAtomic: 5n, transaction: hash(byte), blockNumber: 995n });
  }
  await reconcile();
  const all = await deposits();
  expect(all).toHaveLength(3);
  expect(await deposits("?limit=2")).toEqual(all.slice(0, 2));
  expect(await deposits(`?limit=2&cursor=${all[1]?.depositId}`)).toEqual(all.slice(2));
  const own = await call("GET /v1/deposits", { credential: tenant.apiKey });
  expect(depositListSchema.parse(await own.json()).deposits).toEqual(all);
  const other = await createTenant();
  const foreign = await call("GET /v1/deposits", { credential: other.apiKey });
  expect(await foreign.json()).toMatchObject({ deposits: [] });
  const target = `GET /admin/tenants/${tenant.tenantId}/deposits`;
  expect(await problemOf(await call(target, { credential: tenant.apiKey }))).toMatchObject({
    status: 403,
  });
});

test("the journal of a payment is still found by its id", async () => {
  const paymentId = await confirmedSale(tenant, hash("09"));
  const response = await ask(`GET /admin/tenants/${tenant.tenantId}/payments/${paymentId}`);
  const { postings, refund } = adminPaymentDetailSchema.parse(await response.json());
  expect(postings.map(({ kind }) => kind)).toEqual(["payment_settled"]);
  expect(refund).toBeNull();
});
