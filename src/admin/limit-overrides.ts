/**
 * `/admin/limit-overrides`: operators decide about requests for higher limits. What they decide is published at once
 * and holds wherever the tenant's snapshot is read again; an expiry needs no publish.
 */
import { type Context, Hono } from "hono";
import * as z from "zod";
import {
  type AdminOverride,
  type AdminOverrideList,
  approveOverrideSchema,
  decideOverrideSchema,
  overrideStatusSchema,
} from "../contracts/limit-overrides.ts";
import { problem } from "../payment/problems/problem.ts";
import {
  type Fault,
  limitBody,
  parseJsonBody,
  parseQuery,
  refuse,
  SMALL_BODY_BYTES_MAX,
} from "../tenant-api/request.ts";
import { type OperatorEnv, requireOperator } from "../tenant-api/require-operator.ts";
import {
  countOverridesInForce,
  listOverrides,
  OVERRIDES_IN_FORCE_MAX,
  type OverrideStep,
  readOverride,
  takeStep,
} from "../tenant/directory/limit-overrides.ts";
import { readTenant } from "../tenant/directory/tenants.ts";
import { LIMIT_NAMES, type RaisedLimits } from "../tenant/limits.ts";
import { publishTenant } from "../tenant/publish-tenant.ts";

const listQuerySchema = z.strictObject({
  status: overrideStatusSchema.optional(),
  /** Id of the last override of the page before. */
  cursor: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const limitOverrides = new Hono<OperatorEnv>();

limitOverrides.get("/limit-overrides", requireOperator, async (context) => {
  const query = parseQuery(context.req.raw, listQuerySchema);
  if (!query.ok) return query.response;
  const { status, cursor, limit } = query.value;
  const found = await listOverrides(context.env.DB, {
    tenantSerial: null,
    status: status ?? null,
    beforeId: cursor ?? null,
    limit: limit + 1,
    nowMs: Date.now(),
  });
  const overrides = found.slice(0, limit);
  const answer: AdminOverrideList = {
    overrides,
    nextCursor: found.length > limit ? (overrides.at(-1)?.overrideId ?? null) : null,
  };
  return context.json(answer);
});

limitOverrides.post(
  "/limit-overrides/:overrideId/approve",
  requireOperator,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const nowMs = Date.now();
    const { DB: db } = context.env;
    const override = await readOverride(db, context.req.param("overrideId"), nowMs);
    if (override === null) return problem("not_found");
    const parsed = parseJsonBody(await context.req.text(), approveOverrideSchema);
    if (!parsed.ok) return parsed.response;
    const { limits = override.requested, expiresAt = null, reason } = parsed.value;
    const [fault, ...furtherFaults] = [
      ...overRequest(limits, override.requested),
      ...(expiresAt === null || expiresAt > nowMs
        ? []
        : [{ field: "expiresAt", message: "must be in the future" }]),
    ];
    if (fault !== undefined) return refuse("invalid_request", [fault, ...furtherFaults]);
    const inForce = await countOverridesInForce(db, override.tenantId, nowMs);
    if (inForce >= OVERRIDES_IN_FORCE_MAX) {
      return problem("too_many_overrides", {
        detail: `${inForce} overrides of this tenant are in force: revoke one first.`,
      });
    }
    const step = { action: "approve", limits, expiresAtMs: expiresAt } as const;
    return await decide(context, override, step, reason);
  },
);

for (const action of ["deny", "revoke"] as const) {
  limitOverrides.post(
    `/limit-overrides/:overrideId/${action}`,
    requireOperator,
    limitBody(SMALL_BODY_BYTES_MAX),
    async (context) => {
      const overrideId = context.req.param("overrideId");
      const override = await readOverride(context.env.DB, overrideId, Date.now());
      if (override === null) return problem("not_found");
      const parsed = parseJsonBody(await context.req.text(), decideOverrideSchema);
      if (!parsed.ok) return parsed.response;
      return await decide(context, override, { action }, parsed.value.reason);
    },
  );
}

async function decide(
  { env, var: { operator } }: Context<OperatorEnv>,
  override: AdminOverride,
  step: OverrideStep,
  reason: string,
): Promise<Response> {
  const nowMs = Date.now();
  const isPossible = override.status === (step.action === "revoke" ? "approved" : "requested");
  const isTaken =
    isPossible && (await takeStep(env.DB, override, step, { operator, reason, atMs: nowMs }));
  // Even when nothing changed: sending a step again repairs a publish that failed.
  const tenant = await readTenant(env.DB, override.tenantId);
  if (tenant?.status === "active") await publishTenant(env, override.tenantId, nowMs);
  const now = (await readOverride(env.DB, override.overrideId, nowMs)) ?? override;
  if (isTaken) return Response.json(now);
  return problem("override_decided", { detail: `The override is ${now.status}.` });
}

/** An operator grants what was asked for, or less. */
function overRequest(limits: RaisedLimits, requested: RaisedLimits): Fault[] {
  return LIMIT_NAMES.flatMap((name) => {
    const value = limits[name];
    const asked = requested[name];
    if (value === undefined || (asked !== undefined && value <= asked)) return [];
    const message =
      asked === undefined ? "was not asked for" : `must be at most ${asked}, as asked`;
    return [{ field: `limits.${name}`, message }];
  });
}
