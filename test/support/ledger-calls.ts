/** A ledger of its own, and its calls for one payment after another, for tests in workerd. */
import { env } from "cloudflare:workers";
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { ClaimGrant, HandlerUsage, StoredResponse } from "../../src/contracts/ledger.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { claimRequest } from "./claim-request.ts";

export const LEDGER_ASSET = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
export const LEDGER_NETWORK = "eip155:84532";
export const ATTEMPT_LEASE_MS = 25_000;

type ClaimRequest = Parameters<LedgerClient["claim"]>[0];
type StageRequest = Parameters<LedgerClient["stage"]>[0];

export class LedgerCalls {
  readonly tenantId: TenantId;
  readonly ledger: LedgerClient;

  constructor() {
    const tenantId = parseTenantId(`t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`);
    if (tenantId === null) throw new Error("the test made a name that is not one");
    this.tenantId = tenantId;
    this.ledger = ledgerOf(env, tenantId);
  }

  get stub() {
    return env.SETTLEMENT_LEDGER.getByName(this.tenantId);
  }

  claim(nonce: string, overrides: Partial<ClaimRequest> = {}) {
    return this.ledger.claim({ ...claimRequest(nonce), identity: identityOf(nonce), ...overrides });
  }

  async granted(nonce: string): Promise<ClaimGrant> {
    const reply = await this.claim(nonce);
    if (reply.result !== "granted") throw new Error(`expected a grant, got ${reply.result}`);
    return reply.grant;
  }

  stage(
    nonce: string,
    grant: ClaimGrant,
    response: StoredResponse | null,
    usage: HandlerUsage | null = null,
  ) {
    const request: StageRequest = {
      grant,
      identity: identityOf(nonce),
      authorization: {
        network: LEDGER_NETWORK,
        asset: LEDGER_ASSET,
        payer: "0xpayer",
        payee: "0xdeposit",
        amountAtomic: 10_000n,
        nonce,
        validAfterMs: 0,
        validBeforeMs: Date.now() + 300_000,
      },
      wire: { x402Version: 2, paymentPayload: {}, paymentRequirements: {} },
      route: { path: "/cities", method: "GET", url: "https://acme.example/cities" },
      plan: "free",
      collection: "treasury",
      retentionMs: PLANS.free.limits.retentionMs,
      response,
      facilitatorId: "primary",
      boundFacilitatorId: null,
      attemptLeaseMs: ATTEMPT_LEASE_MS,
      usage,
    };
    return this.ledger.stage(request);
  }

  /** Gives a claim back. @param usage of the run that nobody pays for; null when there was none */
  release(nonce: string, grant: ClaimGrant, usage: HandlerUsage | null): Promise<void> {
    return this.ledger.release({ identity: identityOf(nonce), grant, handlerRan: false, usage });
  }

  /** Claims and stages. @param response null for a payment whose handler runs afterwards */
  async staged(nonce: string, response: StoredResponse | null): Promise<string> {
    const grant = await this.granted(nonce);
    const { result } = await this.stage(nonce, grant, response);
    if (result !== "staged") throw new Error(`expected it to be staged, got ${result}`);
    return grant.paymentId;
  }

  record(paymentId: string, outcome: SettleOutcome) {
    return this.ledger.record({
      paymentId,
      attempt: 1,
      outcome,
      nextFacilitatorIds: [],
      attemptLeaseMs: ATTEMPT_LEASE_MS,
    });
  }

  /** Claims, stages and settles. */
  async settled(nonce: string, response: StoredResponse | null) {
    const paymentId = await this.staged(nonce, response);
    const reply = await this.record(paymentId, { class: "settled", transaction: `0x${nonce}` });
    if (reply.result !== "settled") throw new Error(`expected it to settle, got ${reply.result}`);
    return { paymentId, fulfilment: reply.fulfilment };
  }
}

function identityOf(nonce: string): string {
  return `eip3009:${LEDGER_NETWORK}:${LEDGER_ASSET}:0xpayer:${nonce}`;
}
