/** `/v1/limits` and `/v1/limit-overrides`: what a tenant may use now, and how it asks for more. */
import { Hono } from "hono";
import {
  type LimitsAnswer,
  type OverrideList,
  type OverrideView,
  overrideViewSchema,
  requestOverrideSchema,
} from "../contracts/limit-overrides.ts";
import { problem } from "../payment/problems/problem.ts";
import { listLimitExceedances } from "../tenant/directory/limit-exceedances.ts";
import {
  listOverrides,
  OPEN_REQUESTS_MAX,
  OVERRIDES_IN_FORCE_MAX,
  readEffectiveLimits,
  requestOverride,
} from "../tenant/directory/limit-overrides.ts";
import { CEILINGS, LIMIT_NAMES, type LimitValues, type RaisedLimits } from "../tenant/limits.ts";
import { PLANS } from "../tenant/plans.ts";
import { type Fault, limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** Older ones are in the audit log. */
const OVERRIDES_SHOWN = 100;

/** Some days of the limits that calls can pass. */
const EXCEEDANCES_SHOWN = 50;

export const limits = new Hono<TenantEnv>();
limits.use(requireTenant);

limits.get("/", async (context) => {
  const { tenant } = context.var;
  const { DB: db } = context.env;
  const nowMs = Date.now();
  const inForce = await listOverrides(db, {
    tenantSerial: tenant.serial,
    status: "approved",
    beforeId: null,
    limit: OVERRIDES_IN_FORCE_MAX,
    nowMs,
  });
  const exceedances = await listLimitExceedances(db, tenant.tenantId, EXCEEDANCES_SHOWN);
  const answer: LimitsAnswer = {
    plan: tenant.plan,
    limits: await readEffectiveLimits(db, tenant, nowMs),
    planLimits: PLANS[tenant.plan].limits,
    ceilings: CEILINGS,
    overrides: inForce.map((override) => overrideViewSchema.parse(override)),
    exceedances,
  };
  return context.json(answer);
});

export const limitOverrides = new Hono<TenantEnv>();
limitOverrides.use(requireTenant);

limitOverrides.post("/", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody(await context.req.text(), requestOverrideSchema);
  if (!parsed.ok) return parsed.response;
  const { tenant } = context.var;
  const { limits: requested, reason } = parsed.value;
  const [fault, ...furtherFaults] = notRaised(requested, PLANS[tenant.plan].limits);
  if (fault !== undefined) return refuse("invalid_request", [fault, ...furtherFaults]);
  const request = {
    overrideId: `ovr_${crypto.randomUUID().replaceAll("-", "")}`,
    limits: requested,
    reason,
    atMs: Date.now(),
  };
  if (!(await requestOverride(context.env.DB, tenant, request))) {
    return problem("too_many_overrides", {
      detail: `${OPEN_REQUESTS_MAX} requests of this tenant wait for an operator already.`,
    });
  }
  const answer: OverrideView = {
    overrideId: request.overrideId,
    status: "requested",
    requested,
    requestReason: reason,
    requestedAtMs: request.atMs,
    approved: null,
    expiresAtMs: null,
    decisionReason: null,
    decidedAtMs: null,
  };
  return context.json(answer, 201);
});

limitOverrides.get("/", async (context) => {
  const overrides = await listOverrides(context.env.DB, {
    tenantSerial: context.var.tenant.serial,
    status: null,
    beforeId: null,
    limit: OVERRIDES_SHOWN,
    nowMs: Date.now(),
  });
  const list: OverrideList = {
    overrides: overrides.map((override) => overrideViewSchema.parse(override)),
  };
  return context.json(list);
});

/** An override raises what the plan gives; anything else would be a mistake of whoever asks. */
function notRaised(requested: RaisedLimits, plan: LimitValues): Fault[] {
  return LIMIT_NAMES.flatMap((name) => {
    const value = requested[name];
    if (value === undefined || value > plan[name]) return [];
    return [
      { field: `limits.${name}`, message: `must be over ${plan[name]}, which the plan gives` },
    ];
  });
}
