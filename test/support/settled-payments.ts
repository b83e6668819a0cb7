/** Payments of a tenant in its real ledger, taken through the ledger's own steps, as the dispatcher would. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { configOf } from "../../src/config.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import type { TenantId } from "../../src/tenant/tenant-id.ts";
import { UNBOUNDED_LIMITS } from "./unbounded-limits.ts";

interface Seller {
  readonly tenantId: TenantId;
  readonly payTo: string;
}

interface Sale {
  readonly amountAtomic?: bigint;
  readonly url?: string;
  readonly path?: string;
  /** Paid before the handler runs: no response is stored. */
  readonly upfront?: boolean;
}

const RESPONSE = { status: 200, headers: [], body: new TextEncoder().encode("[]") };

export const PAYER = `0x${"aa".repeat(20)}`;

function randomHash(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Sells one call, settled but not confirmed on the chain. @returns its payment id */
export async function sellCall(seller: Seller, sale: Sale = {}): Promise<string> {
  const { paymentId, attempt } = await stageCall(seller, sale);
  const recorded = await ledgerOf(env, seller.tenantId).record({
    paymentId,
    attempt,
    outcome: { class: "settled", transaction: randomHash() },
    nextFacilitatorIds: [],
    attemptLeaseMs: 60_000,
  });
  if (recorded.result !== "settled") throw new Error("a settled outcome settles");
  return paymentId;
}

/** Takes one call as far as its first attempt, which is in flight then. */
export async function stageCall(
  seller: Seller,
  sale: Sale = {},
): Promise<{ readonly paymentId: string; readonly attempt: number }> {
  const { amountAtomic = 10_000n, path = "/cities", url = `https://claw.test${path}` } = sale;
  const [network] = configOf(env).networks;
  if (network === undefined) throw new Error("the tests configure a network");
  const ledger = ledgerOf(env, seller.tenantId);
  const nonce = randomHash();
  const identity = `test:${nonce}`;
  const claim = await ledger.claim({
    identity,
    payloadDigest: nonce,
    requestFingerprint: nonce,
    proofs: { quoteHash: null, identifierHash: null, idempotencyKeyHash: null },
    payer: PAYER,
    refusal: null,
    validBeforeMs: 0,
    signatureProved: true,
    resignGuard: false,
    replayGraceMs: 0,
    answered: [],
    limits: UNBOUNDED_LIMITS,
  });
  if (claim.result !== "granted") throw new Error(`a fresh payment was ${claim.result}`);
  const staged = await ledger.stage({
    grant: claim.grant,
    identity,
    authorization: {
      network: network.caip2,
      asset: network.asset.address,
      payer: PAYER,
      payee: seller.payTo,
      amountAtomic,
      nonce,
      validAfterMs: 0,
      validBeforeMs: Date.now() + 300_000,
    },
    wire: { x402Version: 2, paymentPayload: {}, paymentRequirements: {} },
    route: { path, method: "GET", url },
    plan: "free",
    collection: "treasury",
    retentionMs: PLANS.free.limits.retentionMs,
    response: sale.upfront === true ? null : RESPONSE,
    facilitatorId: "primary",
    boundFacilitatorId: null,
    attemptLeaseMs: 60_000,
  });
  if (staged.result !== "staged") throw new Error("a claim just granted can be staged");
  return { paymentId: claim.grant.paymentId, attempt: staged.attempt };
}

/** Makes every settlement of a tenant count as confirmed; there is no chain in these tests. */
export async function confirmSales({ tenantId }: Seller): Promise<void> {
  await runInDurableObject(env.SETTLEMENT_LEDGER.getByName(tenantId), (_ledger, { storage }) => {
    storage.sql.exec(
      "UPDATE payments SET state = 'confirmed', due_at_ms = NULL WHERE state = 'settled'",
    );
  });
}
