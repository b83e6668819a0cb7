/** `/v1/payouts`: from the tenant's deposit account to its wallet, once per Idempotency-Key. */
import { Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { createPayoutRequestSchema, type Payout } from "../contracts/tenant-api.ts";
import type { PayoutReply } from "../contracts/ledger.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem } from "../payment/problems/problem.ts";
import { auditStatement } from "../tenant/directory/audit.ts";
import { booksOf } from "./books.ts";
import { limitBody, parseJsonBody, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** Short enough to store, long enough that nobody meets another's by chance. Printable ASCII. */
const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{16,255}$/;

export const payouts = new Hono<TenantEnv>();
payouts.use(requireTenant);

payouts.post("/", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const idempotencyKey = context.req.header("Idempotency-Key") ?? "";
  if (!IDEMPOTENCY_KEY_PATTERN.test(idempotencyKey)) return problem("idempotency_key_required");
  // No body at all asks for everything available, as `{}` does.
  const body = (await context.req.text()) || "{}";
  const parsed = parseJsonBody(body, createPayoutRequestSchema);
  if (!parsed.ok) return parsed.response;
  const { tenant } = context.var;
  const named = booksOf(context.env, tenant, parsed.value);
  if (!named.ok) return named.response;
  const { network, asset, isDirect } = named.books;
  if (isDirect) {
    return problem("direct_collection", {
      detail: "Its payments arrive in its wallet: there is nothing to pay out.",
    });
  }
  const { amountAtomic } = parsed.value;
  // Before the ledger moves anything: a request that is not on record must not move money.
  await auditStatement(context.env.DB, {
    atMs: Date.now(),
    actor: "tenant",
    tenantId: tenant.tenantId,
    action: "payout.request",
    subject: tenant.wallet,
    detail: { amountAtomic: amountAtomic ?? null },
  }).run();
  const reply = await ledgerOf(context.env, tenant.tenantId).requestPayout({
    tenantSerial: tenant.serial,
    idempotencyKey,
    network: network.caip2,
    asset: asset.address,
    payTo: tenant.payTo,
    wallet: tenant.wallet,
    amountAtomic: amountAtomic === undefined ? null : BigInt(amountAtomic),
  });
  return payoutAnswer(reply);
});

payouts.get("/:payoutId", async (context) => {
  const payoutId = context.req.param("payoutId");
  const { tenantId } = context.var.tenant;
  if (tenantOfPaymentId(payoutId) !== tenantId) return problem("not_found");
  const payout = await ledgerOf(context.env, tenantId).readPayout(payoutId);
  return payout === null ? problem("not_found") : context.json(payout);
});

function payoutAnswer(reply: PayoutReply<Payout>): Response {
  switch (reply.result) {
    case "accepted":
      return Response.json(reply.payout, {
        status: 201,
        headers: {
          Location: `/v1/payouts/${reply.payout.payoutId}`,
          ...(reply.replayed ? { "Idempotent-Replayed": "true" } : {}),
        },
      });
    case "nothing_available":
    case "insufficient_available_funds":
      return problem(reply.result, {
        detail: `${reply.availableAtomic} atomic units are confirmed and available.`,
        extra: { availableAtomic: reply.availableAtomic.toString() },
      });
    case "over_payout_cap":
      return problem(reply.result, {
        detail: `One payout is at most ${reply.capAtomic} atomic units.`,
        extra: { capAtomic: reply.capAtomic.toString() },
      });
    case "idempotency_key_conflict":
      return problem("idempotency_key_conflict");
    default:
      return reply satisfies never;
  }
}
