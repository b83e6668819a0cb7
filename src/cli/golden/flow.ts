/**
 * The golden flow: a creator sells a CSV file, an unmodified x402 client buys from it, and the money arrives in the
 * creator's wallet. Every step prints what really happened, and throws when it is not what must happen.
 */
import { createHash, randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentRequirements } from "@x402/core/types";
import { createPublicClient, erc20Abi, getAddress, http, isHex } from "viem";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import * as z from "zod";
import type { Balance, CreateTenantResponse, Receipt } from "../../contracts/tenant-api.ts";
import type { World } from "../../local/world.ts";
import { writeProject } from "../commands/init.ts";
import { waitForPayout } from "../commands/payout.ts";
import { uploadFile } from "../commands/upload.ts";
import { expectEqual, expectPresent, expectTrue } from "./expect.ts";
import type { GoldenReport } from "./report.ts";
import { requireManifest } from "../manifest-file.ts";
import { formatAmount } from "../money.ts";
import { callAndPay, createPaymentClient } from "../paying-client.ts";
import type { PaidCall } from "../paying-client.ts";
import { PlatformApi } from "../platform-api.ts";

const TENANT = "acme";
const ROWS_MIN = 1_000;
const ROWS_ASKED = 5;
/** Characters of a long value that fit a terminal line and still show what it is. */
const SHORT_LENGTH = 60;
const CONFIRMATION_DEADLINE_MS = 20_000;
const POLL_INTERVAL_MS = 100;

/** The answer of a list route, as far as this flow looks into it. */
const rowsSchema = z.object({ data: z.array(z.record(z.string(), z.unknown())) });

/** What has been learned on the way and later steps need. */
interface Sale {
  readonly world: World;
  readonly report: GoldenReport;
  readonly api: PlatformApi;
  readonly chain: TokenBalances;
  readonly wallet: Hex;
  readonly payer: Hex;
  readonly payerKey: Hex;
  readonly url: string;
  readonly quote: PaymentRequirements;
}

/** Balances of the asset that was quoted, in atomic units, read from the chain itself. */
interface TokenBalances {
  of(account: Hex): Promise<bigint>;
}

/**
 * @param directory where the sample project is written
 * @throws Error saying what was expected and what came instead
 */
export async function runGoldenFlow(
  world: World,
  directory: string,
  report: GoldenReport,
): Promise<void> {
  const payerKey = expectPresent(world.payerKey, "a test payer");
  reportStart(world, report);
  const wallet = privateKeyToAddress(generatePrivateKey());
  const tenant = await createTenant(world, wallet, report);
  const api = new PlatformApi(world.platform.url, tenant.apiKey);
  await uploadSample(api, directory, report);
  const url = await deploySample(api, directory, report);
  const quote = await callWithoutPaying(url, tenant, report);
  const chain = tokenBalances(world, quote);
  const payer = privateKeyToAddress(payerKey);
  const sale: Sale = { world, report, api, chain, wallet, payer, payerKey, url, quote };
  const paid = await payAndGetRows(sale);
  await sendSamePaymentAgain(sale, paid);
  const receipt = await findReceipt(sale, paid.transaction);
  await checkBalance(sale, receipt);
  await payOut(sale, receipt);
}

function reportStart(world: World, report: GoldenReport): void {
  report.step("Start the platform", {
    platform: world.platform.url,
    ...Object.fromEntries(world.facilitators.map(({ id, url }) => [`facilitator ${id}`, url])),
    chain: world.rpcUrl,
  });
}

async function createTenant(
  world: World,
  wallet: Hex,
  report: GoldenReport,
): Promise<CreateTenantResponse> {
  const operator = new PlatformApi(world.platform.url, world.platform.operatorToken);
  const tenant = await operator.createTenant({ tenantId: TENANT, wallet });
  expectEqual("the tenant's wallet", tenant.wallet, wallet.toLowerCase());
  report.step("Create a tenant", {
    tenant: tenant.tenantId,
    plan: tenant.plan,
    "deposit account": tenant.payTo,
    "creator's wallet": tenant.wallet,
  });
  return tenant;
}

async function uploadSample(
  api: PlatformApi,
  directory: string,
  report: GoldenReport,
): Promise<void> {
  await writeProject(directory, { tenant: TENANT, script: false, force: false });
  const uploaded = await uploadFile(api, {
    name: "cities",
    path: join(directory, "cities.csv"),
    key: "id",
    indexes: ["country"],
    types: {},
  });
  expectTrue(uploaded.rows >= ROWS_MIN, `${uploaded.rows} rows are fewer than ${ROWS_MIN}`);
  const columns = uploaded.columns.map(({ name, type }) => `${name} ${type}`).join(", ");
  report.step("Upload a CSV file", {
    dataset: `cities.csv, ${uploaded.rows} rows`,
    columns: `${uploaded.columns.length}, ${shorten(columns)}`,
    version: uploaded.version,
  });
}

async function deploySample(
  api: PlatformApi,
  directory: string,
  report: GoldenReport,
): Promise<string> {
  const manifest = await requireManifest(directory);
  const deployment = await api.deploy(manifest);
  const route = deployment.routes.find(({ url }) => url.endsWith("/cities"));
  const { url, price, feeAtomic, netAtomic } = expectPresent(route, "the route /cities");
  expectEqual("the price on sale", price, manifest.routes[0]?.price);
  report.step("Deploy", {
    deployment: `${deployment.deploymentId}, version ${deployment.version}`,
    "on sale": url,
    price: `${price}, of which the creator gets ${formatAmount(netAtomic)} and the platform ${formatAmount(feeAtomic)}`,
  });
  return `${url}?limit=${ROWS_ASKED}`;
}

async function callWithoutPaying(
  url: string,
  tenant: CreateTenantResponse,
  report: GoldenReport,
): Promise<PaymentRequirements> {
  const response = await fetch(url);
  await response.body?.cancel();
  expectEqual("the unpaid call's status", response.status, 402);
  const header = expectPresent(response.headers.get("PAYMENT-REQUIRED"), "PAYMENT-REQUIRED");
  const quote = expectPresent(decodePaymentRequiredHeader(header).accepts[0], "an offer");
  expectEqual("the offer's payTo", quote.payTo.toLowerCase(), tenant.payTo);
  report.step("Call without paying", {
    status: "402 Payment Required",
    scheme: `${quote.scheme} on ${quote.network}`,
    amount: `${quote.amount} atomic units (${formatAmount(quote.amount)})`,
    asset: quote.asset,
    "pay to": quote.payTo,
    "valid for": `${quote.maxTimeoutSeconds} s`,
    quote: `${shorten(String(quote.extra["quote"]))} (signed)`,
  });
  return quote;
}

interface PaidRows {
  readonly paymentHeader: string;
  readonly transaction: string;
  readonly body: Buffer;
}

async function payAndGetRows(sale: Sale): Promise<PaidRows> {
  const { chain, payer, payerKey, quote, report, url } = sale;
  const before = await chain.of(payer);
  const client = createPaymentClient(payerKey, formatAmount(quote.amount));
  const call = await callAndPay(client, { url, method: "GET", headers: {}, body: null }, 0);
  const body = Buffer.from(await call.response.arrayBuffer());
  expectEqual("the paid call's status", call.response.status, 200, body.toString());
  const rows = rowsSchema.parse(JSON.parse(body.toString())).data;
  expectEqual("the number of rows", rows.length, ROWS_ASKED);
  const transaction = settledTransaction(call);
  const after = await chain.of(payer);
  expectEqual("what the payer paid", before - after, BigInt(quote.amount));
  report.step("Pay with @x402/fetch", {
    status: "200 OK",
    rows: `${rows.length}, the first ${shorten(JSON.stringify(rows[0]))}`,
    transaction,
    "payer before": formatAmount(before),
    "payer after": formatAmount(after),
  });
  return { paymentHeader: expectPresent(call.paymentHeader, "a payment"), transaction, body };
}

async function sendSamePaymentAgain(sale: Sale, paid: PaidRows): Promise<void> {
  const before = await sale.chain.of(sale.payer);
  const response = await fetch(sale.url, { headers: { "PAYMENT-SIGNATURE": paid.paymentHeader } });
  const body = Buffer.from(await response.arrayBuffer());
  expectEqual("the resend's status", response.status, 200, body.toString());
  const replayed = response.headers.get("Idempotent-Replayed");
  expectEqual("Idempotent-Replayed", replayed, "true");
  expectTrue(body.equals(paid.body), "the resend's body differs from the first answer's");
  const after = await sale.chain.of(sale.payer);
  expectEqual("what the resend cost", before - after, 0n);
  sale.report.step("Send the same payment again", {
    status: "200 OK, Idempotent-Replayed: true",
    "first sha256": sha256(paid.body),
    "again sha256": sha256(body),
    "payer after": `${formatAmount(after)} (paid nothing)`,
  });
}

async function findReceipt(sale: Sale, transaction: string): Promise<Receipt> {
  const { receipts } = await sale.api.receipts(new URLSearchParams());
  const listed = receipts.find((receipt) => receipt.transaction === transaction);
  const { paymentId } = expectPresent(listed, `a receipt of ${transaction}`);
  const receipt = await sale.api.receipt(paymentId);
  expectEqual("the receipt's amount", receipt.amountAtomic, sale.quote.amount);
  const { feeAtomic, netAtomic } = receipt;
  expectEqual("fee + net", BigInt(feeAtomic) + BigInt(netAtomic), BigInt(sale.quote.amount));
  sale.report.step("Read the receipt", {
    payment: receipt.paymentId,
    state: receipt.state,
    payer: receipt.payer,
    amount: formatAmount(receipt.amountAtomic),
    fee: formatAmount(feeAtomic),
    "creator gets": formatAmount(netAtomic),
    transaction: String(receipt.transaction),
  });
  return receipt;
}

/** Waits until the chain confirmed the payment: only then can it be paid out. */
async function checkBalance(sale: Sale, receipt: Receipt): Promise<void> {
  const deadlineMs = Date.now() + CONFIRMATION_DEADLINE_MS;
  let balance: Balance = await sale.api.balance();
  while (balance.availableAtomic !== receipt.netAtomic) {
    expectTrue(
      Date.now() < deadlineMs,
      `${receipt.netAtomic} should be available after ${CONFIRMATION_DEADLINE_MS} ms, but ${balance.availableAtomic} is`,
    );
    await delay(POLL_INTERVAL_MS);
    balance = await sale.api.balance();
  }
  expectEqual("settled", balance.settledAtomic, receipt.amountAtomic);
  expectEqual("fees", balance.feesAtomic, receipt.feeAtomic);
  expectEqual("payable", balance.payableAtomic, receipt.netAtomic);
  sale.report.step("Read the balance", {
    settled: formatAmount(balance.settledAtomic),
    fees: formatAmount(balance.feesAtomic),
    payable: formatAmount(balance.payableAtomic),
    available: `${formatAmount(balance.availableAtomic)} (confirmed on the chain)`,
  });
}

async function payOut(sale: Sale, receipt: Receipt): Promise<void> {
  const before = await sale.chain.of(sale.wallet);
  const requested = await sale.api.createPayout(undefined, randomUUID());
  const payout = await waitForPayout(sale.api, requested);
  expectEqual("the payout's amount", payout.amountAtomic, receipt.netAtomic);
  sale.report.step("Pay out", {
    payout: payout.payoutId,
    state: payout.state,
    amount: formatAmount(payout.amountAtomic),
    to: payout.wallet,
    transaction: String(payout.transaction),
  });
  const after = await sale.chain.of(sale.wallet);
  expectEqual("what the creator's wallet grew by", after - before, BigInt(receipt.netAtomic));
  sale.report.step("Look at the creator's wallet on the chain", {
    wallet: sale.wallet,
    before: formatAmount(before),
    after: formatAmount(after),
    grown: `${after - before} atomic units, exactly the price without the fee`,
  });
}

function tokenBalances(world: World, quote: PaymentRequirements): TokenBalances {
  const client = createPublicClient({ transport: http(world.rpcUrl) });
  const address = getAddress(quote.asset);
  return {
    of: (account) =>
      client.readContract({ address, abi: erc20Abi, functionName: "balanceOf", args: [account] }),
  };
}

function settledTransaction(call: PaidCall): Hex {
  const settlement = expectPresent(call.settlement, "PAYMENT-RESPONSE");
  expectTrue(settlement.success, `the settlement failed: ${settlement.errorReason}`);
  const { transaction } = settlement;
  if (isHex(transaction) && transaction.length === 66) return transaction;
  throw new Error(`PAYMENT-RESPONSE names no transaction but ${JSON.stringify(transaction)}`);
}

function shorten(text: string): string {
  return text.length <= SHORT_LENGTH ? text : `${text.slice(0, SHORT_LENGTH)}...`;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
