/** `/v1/receipts`: every payment of the tenant, from its ledger. */
import { Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { ReceiptQuery } from "../contracts/ledger.ts";
import { addressSchema } from "../contracts/address.ts";
import { paymentStateSchema } from "../contracts/tenant-api.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem } from "../payment/problems/problem.ts";
import { parseQuery } from "./request.ts";
import { receiptsToCsv } from "./receipts-csv.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** A moment as ISO 8601 with its offset, or as milliseconds since the epoch. */
const momentSchema = z.union(
  [
    z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
    z
      .string()
      .regex(/^[0-9]{1,15}$/)
      .transform(Number),
  ],
  { error: "must be a time such as 2026-11-01T00:00:00Z, or milliseconds since the epoch" },
);

const receiptQuerySchema = z.strictObject({
  from: momentSchema.optional(),
  to: momentSchema.optional(),
  /** Path of the route, for example `/cities/:key`. */
  route: z.string().max(200).optional(),
  payer: addressSchema.optional(),
  state: paymentStateSchema.optional(),
  cursor: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  format: z.enum(["json", "csv"]).default("json"),
});

export const receipts = new Hono<TenantEnv>();
receipts.use(requireTenant);

receipts.get("/", async (context) => {
  const parsed = parseQuery(context.req.raw, receiptQuerySchema);
  if (!parsed.ok) return parsed.response;
  const { from, to, route, payer, state, cursor, limit, format } = parsed.value;
  const query: ReceiptQuery = {
    fromMs: from ?? null,
    toMs: to ?? null,
    route: route ?? null,
    payer: payer ?? null,
    state: state ?? null,
    cursor: cursor ?? null,
    limit,
  };
  const page = await ledgerOf(context.env, context.var.tenant.tenantId).listReceipts(query);
  if (format === "json") return context.json(page);
  return context.body(receiptsToCsv(page.receipts), 200, {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    ...(page.nextCursor === null ? {} : { Link: nextPageLink(context.req.url, page.nextCursor) }),
  });
});

receipts.get("/:paymentId", async (context) => {
  const paymentId = context.req.param("paymentId");
  const { tenantId } = context.var.tenant;
  if (tenantOfPaymentId(paymentId) !== tenantId) return problem("not_found");
  const receipt = await ledgerOf(context.env, tenantId).readReceipt(paymentId);
  return receipt === null ? problem("not_found") : context.json(receipt);
});

/** CSV has no place for the cursor: the next page is a Link header (RFC 8288). */
function nextPageLink(url: string, cursor: string): string {
  const next = new URL(url);
  next.searchParams.set("cursor", cursor);
  return `<${next.pathname}${next.search}>; rel="next"`;
}
