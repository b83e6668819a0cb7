/** What the chain and the ledger say when everything is at rest, and whether they and the buyers agree. */
import { setTimeout as delay } from "node:timers/promises";
import { decodePaymentSignatureHeader } from "@x402/core/http";
import { parseAbi } from "viem";
import * as z from "zod";
import type { Receipt } from "../../src/contracts/tenant-api.ts";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import { tokenBalance, transfersTo } from "../support/chain-facts.ts";
import { send } from "../support/payer.ts";
import type { TestTenant } from "../support/platform.ts";
import type { Purchase } from "./purchase.ts";

const RECEIPTS_PER_PAGE = 500;
const PAYOUT_TIMEOUT_MS = 60_000;
const POLL_MS = 200;
const PAYOUT_KEY = "chaos-pays-everything-out";
const ENDS: ReadonlySet<string> = new Set(["confirmed", "failed", "expired"]);

const tokenAbi = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
]);
const signedSchema = z.object({ authorization: z.object({ nonce: z.string() }) });

/** Every payment of the tenant, as the ledger has it. */
export async function allReceipts({ api }: TestTenant): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(RECEIPTS_PER_PAGE) });
    if (cursor !== null) query.set("cursor", cursor);
    const page = await api.receipts(query);
    receipts.push(...page.receipts);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return receipts;
}

/** Payments that have not come to an end. */
export function unfinished(receipts: readonly Receipt[]): Receipt[] {
  return receipts.filter(({ state }) => !ENDS.has(state));
}

/** What does not hold, in words; empty when the chain, the ledger and the buyers agree. */
export async function disagreements(
  chain: ChainTestClient,
  tenant: TestTenant,
  purchases: readonly Purchase[],
): Promise<string[]> {
  const [receipts, transfers, nonces] = await Promise.all([
    allReceipts(tenant),
    transfersTo(chain, tenant.payTo),
    noncesUsed(chain),
  ]);
  const settled = receipts.filter(({ state }) => state === "confirmed");
  const landed = new Map(transfers.map((transfer) => [nonces.get(transfer.transaction), transfer]));
  const wrong = [
    ...unfinished(receipts).map(({ paymentId, state }) => `${paymentId} is still ${state}`),
    ...transfersWithout(settled, transfers),
    ...purchases.flatMap(({ surprises }) => surprises),
  ];
  for (const purchase of purchases) {
    wrong.push(...(await wrongWith(purchase, settled, landed)));
  }
  const moved = transfers.reduce((sum, { amountAtomic }) => sum + amountAtomic, 0n);
  const { settledAtomic, feesAtomic, payableAtomic, inFlightAtomic } = await tenant.api.balance();
  if (BigInt(settledAtomic) !== moved) {
    wrong.push(`the books say ${settledAtomic} settled, the chain says ${moved}`);
  }
  if (BigInt(feesAtomic) + BigInt(payableAtomic) !== moved || inFlightAtomic !== "0") {
    wrong.push(`${feesAtomic} fees and ${payableAtomic} payable are not ${moved}`);
  }
  return wrong;
}

/** One transfer, one settled payment; and the other way round. */
function transfersWithout(
  settled: readonly Receipt[],
  transfers: readonly { transaction: string; amountAtomic: bigint }[],
): string[] {
  const wrong: string[] = [];
  for (const { transaction, amountAtomic } of transfers) {
    const payments = settled.filter((receipt) => receipt.transaction === transaction);
    if (payments.length !== 1) wrong.push(`${transaction} settled ${payments.length} payments`);
    if (payments.some((receipt) => BigInt(receipt.amountAtomic) !== amountAtomic)) {
      wrong.push(`${transaction} moved ${amountAtomic}, which its payment does not say`);
    }
  }
  const moved = new Set(transfers.map(({ transaction }) => transaction));
  for (const { paymentId, transaction } of settled) {
    if (transaction === null || !moved.has(transaction)) {
      wrong.push(`${paymentId} is confirmed by ${transaction}, which moved nothing`);
    }
  }
  return wrong;
}

/** One request: charged at most once, answered with what was paid for, and the answer is still there. */
async function wrongWith(
  purchase: Purchase,
  settled: readonly Receipt[],
  landed: ReadonlyMap<string | undefined, { readonly transaction: string }>,
): Promise<string[]> {
  const wrong: string[] = [];
  const charged = purchase.headers.filter((header) => landed.has(nonceOf(header)));
  const at = `${purchase.url} (${purchase.style})`;
  const transactions = new Set(charged.map((header) => landed.get(nonceOf(header))?.transaction));
  if (transactions.size > 1) wrong.push(`${at} was charged ${transactions.size} times`);
  const bodies = new Set(purchase.answers.map(({ body }) => body));
  for (const { headers } of purchase.answers) {
    const payment = settled.find(({ paymentId }) => paymentId === headers.get("Payment-Id"));
    if (payment === undefined || !transactions.has(payment.transaction ?? undefined)) {
      wrong.push(`${at} was answered for ${headers.get("Payment-Id")}, which moved no money`);
    }
  }
  for (const header of new Set(charged)) {
    const again = await send(purchase.url, header);
    if (again.status !== 200) wrong.push(`${at}: a resend got ${again.status} ${again.code}`);
    else bodies.add(again.body);
  }
  if (bodies.size > 1) wrong.push(`${at} got ${bodies.size} different answers`);
  if (bodies.size === 0 && purchase.style !== "quitter") wrong.push(`${at} never got its answer`);
  if (wrong.length > 0) wrong.push(`what it did: ${purchase.history.join("; ")}`);
  return wrong;
}

/** Pays everything out. @returns what does not hold */
export async function payOutAll(chain: ChainTestClient, tenant: TestTenant): Promise<string[]> {
  const { payableAtomic, feesAtomic } = await tenant.api.balance();
  if (payableAtomic === "0") return [];
  let payout = await tenant.api.createPayout(undefined, PAYOUT_KEY);
  const deadlineMs = Date.now() + PAYOUT_TIMEOUT_MS;
  while (payout.state !== "confirmed" && Date.now() < deadlineMs) {
    await delay(POLL_MS);
    payout = await tenant.api.payout(payout.payoutId);
  }
  const after = await tenant.api.balance();
  const facts: [string, bigint, bigint][] = [
    ["the payout", BigInt(payout.amountAtomic), BigInt(payableAtomic)],
    ["the wallet", await tokenBalance(chain, tenant.wallet), BigInt(payableAtomic)],
    ["the deposit account", await tokenBalance(chain, tenant.payTo), BigInt(feesAtomic)],
    ["what is still owed", BigInt(after.payableAtomic) + BigInt(after.inFlightAtomic), 0n],
    ["what was paid out", BigInt(after.paidOutAtomic), BigInt(payableAtomic)],
  ];
  return facts
    .filter(([, is, should]) => is !== should)
    .map(([what, is, should]) => `${what} is ${is}, not ${should} (payout ${payout.state})`);
}

/** By transaction. A settlement by a facilitator is one authorization per transaction. */
async function noncesUsed(chain: ChainTestClient): Promise<Map<string, string>> {
  const logs = await chain.getContractEvents({
    address: USDC_ADDRESS,
    abi: tokenAbi,
    eventName: "AuthorizationUsed",
    fromBlock: 0n,
  });
  return new Map(logs.map(({ transactionHash, args }) => [transactionHash, args.nonce ?? ""]));
}

function nonceOf(header: string): string {
  const { payload } = decodePaymentSignatureHeader(header);
  return signedSchema.parse(payload).authorization.nonce.toLowerCase();
}
