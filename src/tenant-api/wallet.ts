/** `/v1/wallet`: where a tenant is paid out to, and its change, which takes effect after a while. */
import { Hono } from "hono";
import { configOf } from "../config.ts";
import { type WalletView, changeWalletRequestSchema } from "../contracts/wallet.ts";
import { problem } from "../payment/problems/problem.ts";
import {
  cancelWalletChange,
  readPendingChange,
  requestWalletChange,
} from "../tenant/directory/wallet-changes.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { announceWalletChanges } from "../tenant/wallet-changes.ts";
import { swallowsMoney } from "../tenant/wallets.ts";
import { limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const wallet = new Hono<TenantEnv>();
wallet.use(requireTenant);

wallet.get("/", async (context) =>
  context.json(await walletView(context.env.DB, context.var.tenant)),
);

wallet.put("/", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const { tenant } = context.var;
  if (tenant.collection === "direct") {
    return problem("direct_collection", { detail: "Its wallet is where it is paid: it stays." });
  }
  const parsed = parseJsonBody(await context.req.text(), changeWalletRequestSchema);
  if (!parsed.ok) return parsed.response;
  const { wallet: newWallet } = parsed.value;
  const config = configOf(context.env);
  if (swallowsMoney(newWallet, config)) return refuseWallet("must be an account of your own");
  if (newWallet === tenant.wallet) return refuseWallet("is the wallet already");
  const view = await walletView(context.env.DB, tenant);
  // Asked again, it keeps its time.
  if (view.pending?.wallet === newWallet) return context.json(view, 202);
  const requestedAtMs = Date.now();
  const effectiveAtMs = requestedAtMs + config.walletChangeWaitMs;
  const change = { wallet: newWallet, requestedAtMs, effectiveAtMs };
  const isAccepted = await requestWalletChange(context.env.DB, tenant.serial, change, {
    atMs: requestedAtMs,
    actor: "tenant",
    tenantId: tenant.tenantId,
    action: "wallet.change",
    subject: newWallet,
    detail: { from: tenant.wallet, effectiveAtMs },
  });
  if (!isAccepted) return refuseWallet("receives the payments of a tenant: choose another");
  await announceSoon(context.env);
  return context.json({ ...view, pending: change } satisfies WalletView, 202);
});

wallet.post("/cancel", async (context) => {
  const { tenant } = context.var;
  const pending = await readPendingChange(context.env.DB, tenant.serial);
  if (pending === null) return problem("not_found");
  await cancelWalletChange(context.env.DB, tenant.serial, {
    atMs: Date.now(),
    actor: "tenant",
    tenantId: tenant.tenantId,
    action: "wallet.cancel",
    subject: pending.wallet,
    detail: {},
  });
  await announceSoon(context.env);
  return context.json(await walletView(context.env.DB, tenant));
});

/** What its tenant and operators see. */
export async function walletView(db: D1Database, tenant: TenantRecord): Promise<WalletView> {
  const pending = await readPendingChange(db, tenant.serial);
  return {
    collection: tenant.collection,
    wallet: tenant.wallet,
    pending: pending && {
      wallet: pending.wallet,
      requestedAtMs: pending.requestedAtMs,
      effectiveAtMs: pending.effectiveAtMs,
    },
  };
}

/** Now rather than with the next sweep, which comes anyway. */
export async function announceSoon(env: Env): Promise<void> {
  try {
    await announceWalletChanges(env, Date.now());
  } catch (error) {
    console.warn(JSON.stringify({ event: "wallet_change_not_announced", error: String(error) }));
  }
}

function refuseWallet(message: string): Response {
  return refuse("invalid_request", [{ field: "wallet", message }]);
}
