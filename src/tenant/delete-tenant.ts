/** Deletes a tenant that has nothing open: its ledger stops first, then its credentials, its offer and its uploads. */
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { isSettledUp, type OpenBusiness } from "../contracts/open-business.ts";
import type { AuditActor } from "./directory/audit.ts";
import { markDeleted } from "./directory/delete-tenant.ts";
import type { TenantRecord } from "./directory/tenants.ts";
import { type EmptyTenantEnv, emptyTenant } from "./empty-tenant.ts";

export interface DeleteTenantEnv extends EmptyTenantEnv {
  readonly SETTLEMENT_LEDGER: Env["SETTLEMENT_LEDGER"];
}

export type Deletion =
  | { readonly result: "deleted"; readonly deletedAtMs: number }
  /** Nothing was changed. */
  | { readonly result: "not_empty"; readonly open: OpenBusiness };

/** A deletion that was interrupted is finished by asking for it again, or by the sweep. */
export async function deleteTenant(
  env: DeleteTenantEnv,
  tenant: TenantRecord,
  { actor, reason }: { readonly actor: AuditActor; readonly reason: string },
  nowMs: number,
): Promise<Deletion> {
  const { serial, tenantId } = tenant;
  if (tenant.deletedAtMs !== null) return { result: "deleted", deletedAtMs: tenant.deletedAtMs };
  // From here on no edge can sell for it, whatever its copy of the snapshot says.
  const open = await ledgerOf(env, tenantId).close({
    reason: "deleted",
    by: actor.actor === "operator" ? actor.operator : null,
    sinceMs: nowMs,
    untilMs: null,
  });
  if (!isSettledUp(open)) return { result: "not_empty", open };
  await markDeleted(env.DB, tenant, {
    ...actor,
    atMs: nowMs,
    tenantId,
    action: "tenant.delete",
    subject: tenantId,
    detail: { reason },
  });
  try {
    await emptyTenant(env, { serial, tenantId, deletedAtMs: nowMs }, nowMs);
  } catch (error) {
    // It is deleted: the sweep does the rest.
    console.warn(JSON.stringify({ event: "tenant_not_emptied", tenantId, error: String(error) }));
  }
  return { result: "deleted", deletedAtMs: nowMs };
}
