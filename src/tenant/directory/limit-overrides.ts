/** Requests for higher limits in D1, and the overrides that came of them. Every step is audited in its own batch. */
import * as z from "zod";
import type { AdminOverride, OverrideStatus } from "../../contracts/limit-overrides.ts";
import { planIdSchema } from "../../contracts/snapshot.ts";
import {
  effectiveLimits,
  type LimitOverride,
  type Limits,
  limitValuesSchema,
  type RaisedLimits,
} from "../limits.ts";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";
import { auditStatement } from "./audit.ts";
import { jsonTextSchema } from "./json-text.ts";
import type { TenantRecord } from "./tenants.ts";

/** Requests of one tenant that wait for an operator: more than one conversation needs. */
export const OPEN_REQUESTS_MAX = 5;

/** Overrides of one tenant in force at a time: every edge reads them with each snapshot. */
export const OVERRIDES_IN_FORCE_MAX = 20;

/** Limits that were dropped from the product are ignored where old rows still name them. */
const limitsTextSchema = jsonTextSchema(limitValuesSchema.partial().strip());

const overrideRowSchema = z
  .object({
    override_id: z.string(),
    tenant_id: tenantIdSchema,
    plan: planIdSchema,
    status: z.enum(["requested", "approved", "denied", "revoked"]),
    is_expired: z.number().int(),
    requested: limitsTextSchema,
    request_reason: z.string(),
    requested_at_ms: z.number().int(),
    approved: limitsTextSchema.nullable(),
    expires_at_ms: z.number().int().nullable(),
    decided_by: z.string().nullable(),
    decision_reason: z.string().nullable(),
    decided_at_ms: z.number().int().nullable(),
  })
  .transform((row): AdminOverride => ({
    overrideId: row.override_id,
    tenantId: row.tenant_id,
    plan: row.plan,
    status: row.is_expired === 1 ? "expired" : row.status,
    requested: row.requested,
    requestReason: row.request_reason,
    requestedAtMs: row.requested_at_ms,
    approved: row.approved,
    expiresAtMs: row.expires_at_ms,
    decidedBy: row.decided_by,
    decisionReason: row.decision_reason,
    decidedAtMs: row.decided_at_ms,
  }));

/** With the time as `?1`: an approved override shows as expired from its time on. */
const SELECT_OVERRIDES = `SELECT * FROM (
  SELECT limit_overrides.*, tenants.tenant_id, tenants.plan,
    limit_overrides.status = 'approved' AND expires_at_ms IS NOT NULL AND expires_at_ms <= ?1 AS is_expired
  FROM limit_overrides JOIN tenants ON tenants.serial = limit_overrides.tenant_serial)`;

export interface NewOverride {
  readonly overrideId: string;
  readonly limits: RaisedLimits;
  readonly reason: string;
  readonly atMs: number;
}

/** @returns whether it was written: false when too many of the tenant's requests wait already */
export async function requestOverride(
  db: D1Database,
  tenant: TenantRecord,
  { overrideId, limits, reason, atMs }: NewOverride,
): Promise<boolean> {
  try {
    await db.batch([
      db
        .prepare(
          // Counted in the same statement as it is written, for requests at the same time: one too many has no tenant,
          // which fails its whole batch.
          `INSERT INTO limit_overrides
             (override_id, tenant_serial, status, requested, request_reason, requested_at_ms)
           SELECT ?1, CASE WHEN COUNT(*) < ?6 THEN ?2 END, 'requested', ?3, ?4, ?5
           FROM limit_overrides WHERE tenant_serial = ?2 AND status = 'requested'`,
        )
        .bind(overrideId, tenant.serial, JSON.stringify(limits), reason, atMs, OPEN_REQUESTS_MAX),
      auditStatement(db, {
        atMs,
        actor: "tenant",
        tenantId: tenant.tenantId,
        action: "limit_override.request",
        subject: overrideId,
        detail: { limits: JSON.stringify(limits), reason },
      }),
    ]);
    return true;
  } catch (error) {
    if ((await countOpenRequests(db, tenant.serial)) < OPEN_REQUESTS_MAX) throw error;
    return false;
  }
}

async function countOpenRequests(db: D1Database, tenantSerial: number): Promise<number> {
  const count = await db
    .prepare(
      "SELECT COUNT(*) AS count FROM limit_overrides WHERE tenant_serial = ? AND status = 'requested'",
    )
    .bind(tenantSerial)
    .first<number>("count");
  return count ?? 0;
}

/** An operator's step. @see takeStep */
export type OverrideStep =
  | {
      readonly action: "approve";
      readonly limits: RaisedLimits;
      readonly expiresAtMs: number | null;
    }
  | { readonly action: "deny" }
  | { readonly action: "revoke" };

export interface Decision {
  readonly operator: string;
  readonly reason: string;
  readonly atMs: number;
}

const STATUS_AFTER = { approve: "approved", deny: "denied", revoke: "revoked" } as const;

/** @returns whether it was taken: false when another operator's step came first */
export async function takeStep(
  db: D1Database,
  override: AdminOverride,
  step: OverrideStep,
  { operator, reason, atMs }: Decision,
): Promise<boolean> {
  const granted = step.action === "approve" ? step : null;
  const limits = granted === null ? null : JSON.stringify(granted.limits);
  try {
    await db.batch([
      db
        .prepare(
          `UPDATE limit_overrides SET status = ?2, approved = COALESCE(?3, approved),
             expires_at_ms = COALESCE(?4, expires_at_ms),
             decided_by = ?5, decision_reason = ?6, decided_at_ms = ?7
           WHERE override_id = ?1`,
        )
        .bind(
          override.overrideId,
          STATUS_AFTER[step.action],
          limits,
          granted?.expiresAtMs ?? null,
          operator,
          reason,
          atMs,
        ),
      auditStatement(db, {
        atMs,
        actor: "operator",
        operator,
        tenantId: override.tenantId,
        action: `limit_override.${step.action}`,
        subject: override.overrideId,
        detail:
          granted === null ? { reason } : { limits, expiresAtMs: granted.expiresAtMs, reason },
      }),
    ]);
    return true;
  } catch (error) {
    const now = await readOverride(db, override.overrideId, atMs);
    if (now?.status === override.status) throw error;
    return false;
  }
}

export async function readOverride(
  db: D1Database,
  overrideId: string,
  nowMs: number,
): Promise<AdminOverride | null> {
  const row = await db
    .prepare(`${SELECT_OVERRIDES} WHERE override_id = ?2`)
    .bind(nowMs, overrideId)
    .first();
  return row === null ? null : overrideRowSchema.parse(row);
}

/** Newest first, at most `limit`, of one tenant or of all, of one status or of all. */
export async function listOverrides(
  db: D1Database,
  page: {
    readonly tenantSerial: number | null;
    readonly status: OverrideStatus | null;
    /** Id of the last override of the page before. */
    readonly beforeId: string | null;
    readonly limit: number;
    readonly nowMs: number;
  },
): Promise<AdminOverride[]> {
  const { results } = await db
    .prepare(
      `${SELECT_OVERRIDES}
       WHERE (?2 IS NULL OR tenant_serial = ?2)
         AND (?3 IS NULL OR CASE is_expired WHEN 1 THEN 'expired' ELSE status END = ?3)
         AND (?4 IS NULL OR sequence < (SELECT sequence FROM limit_overrides WHERE override_id = ?4))
       ORDER BY sequence DESC LIMIT ?5`,
    )
    .bind(page.nowMs, page.tenantSerial, page.status, page.beforeId, page.limit)
    .all();
  return results.map((row) => overrideRowSchema.parse(row));
}

export async function countOverridesInForce(
  db: D1Database,
  tenantId: TenantId,
  nowMs: number,
): Promise<number> {
  const count = await db
    .prepare(
      `SELECT COUNT(*) AS count FROM limit_overrides
       WHERE tenant_serial = (SELECT serial FROM tenants WHERE tenant_id = ?1)
         AND status = 'approved' AND (expires_at_ms IS NULL OR expires_at_ms > ?2)`,
    )
    .bind(tenantId, nowMs)
    .first<number>("count");
  return count ?? 0;
}

/** What a snapshot carries: approved, not revoked, not expired at `nowMs`. */
export async function readOverridesInForce(
  db: D1Database,
  tenantSerial: number,
  nowMs: number,
): Promise<LimitOverride[]> {
  const { results } = await db
    .prepare(
      `SELECT approved, expires_at_ms FROM limit_overrides
       WHERE tenant_serial = ?1 AND status = 'approved' AND (expires_at_ms IS NULL OR expires_at_ms > ?2)
       ORDER BY sequence`,
    )
    .bind(tenantSerial, nowMs)
    .all();
  return results
    .map((row) => inForceRowSchema.parse(row))
    .map((row) => ({ limits: row.approved, expiresAtMs: row.expires_at_ms }));
}

const inForceRowSchema = z.object({
  approved: limitsTextSchema,
  expires_at_ms: z.number().int().nullable(),
});

/** What the control plane holds a tenant to: the limits in force as D1 has them, ahead of every published copy. */
export async function readEffectiveLimits(
  db: D1Database,
  { plan, serial }: Pick<TenantRecord, "plan" | "serial">,
  nowMs: number,
): Promise<Limits> {
  const limitOverrides = await readOverridesInForce(db, serial, nowMs);
  return effectiveLimits({ plan, limitOverrides }, nowMs);
}
