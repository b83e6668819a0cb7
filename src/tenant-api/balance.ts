import { Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { type Balance, balanceQuerySchema } from "../contracts/tenant-api.ts";
import { booksOf } from "./books.ts";
import { parseQuery } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** `GET /v1/balance`: what the tenant earned and can be paid out, from its ledger. */
export const balance = new Hono<TenantEnv>();

balance.get("/", requireTenant, async (context) => {
  const { tenant } = context.var;
  const query = parseQuery(context.req.raw, balanceQuerySchema);
  if (!query.ok) return query.response;
  const named = booksOf(context.env, tenant, query.value);
  if (!named.ok) return named.response;
  const { network, asset, isDirect } = named.books;
  const ledger = ledgerOf(context.env, tenant.tenantId);
  const books = await ledger.readBalance({ network: network.caip2, asset: asset.address });
  return context.json(isDirect ? directBalance(books) : books);
});

/** Where payments arrive in a wallet of the tenant's own: each settlement is its payout, so that nothing is left to pay. */
function directBalance(books: Balance): Balance {
  const paidOutAtomic = books.payableAtomic;
  return { ...books, payableAtomic: "0", availableAtomic: "0", paidOutAtomic };
}
