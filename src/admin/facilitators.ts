/** `/admin/facilitators`: how the facilitators do, edge by edge, and the operators' word over their breakers. */
import { Hono } from "hono";
import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import { configOf } from "../config.ts";
import {
  type AdminFacilitatorList,
  type ForceFacilitatorResponse,
  facilitatorActionSchema,
  forceFacilitatorRequestSchema,
} from "../contracts/admin-facilitators.ts";
import { problem } from "../payment/problem.ts";
import { limitBody, parseJsonBody, SMALL_BODY_BYTES_MAX } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { auditStatement, listAudit } from "../tenant/directory/audit.ts";
import { PLATFORM } from "../tenant/tenant-id.ts";

const AUDIT_ENTRIES_SHOWN = 50;

/** What each action makes of a breaker. */
const FORCED_STATE = { open: "open", close: "closed", auto: "auto" } as const;

export const facilitators = new Hono<{ Bindings: Env }>();

facilitators.get("/facilitators", requireOperator, async (context) => {
  const [view, audit] = await Promise.all([
    facilitatorHealthOf(context.env).view(),
    listAudit(context.env.DB, PLATFORM, AUDIT_ENTRIES_SHOWN),
  ]);
  const decisions = audit.filter(({ action }) => action.startsWith("facilitator."));
  return context.json({ ...view, audit: decisions } satisfies AdminFacilitatorList);
});

facilitators.post(
  "/facilitators/:facilitatorId/:action",
  requireOperator,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const facilitatorId = context.req.param("facilitatorId");
    const action = facilitatorActionSchema.safeParse(context.req.param("action"));
    const isConfigured = configOf(context.env).facilitators.some(({ id }) => id === facilitatorId);
    if (!isConfigured || !action.success) return problem("not_found");
    const parsed = parseJsonBody(await context.req.text(), forceFacilitatorRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { reason } = parsed.value;
    // Before it is done: what is not on record must not happen.
    await auditStatement(context.env.DB, {
      atMs: Date.now(),
      actor: "operator",
      tenantId: PLATFORM,
      action: `facilitator.${action.data}`,
      subject: facilitatorId,
      detail: { reason },
    }).run();
    const health = facilitatorHealthOf(context.env);
    await health.force(facilitatorId, FORCED_STATE[action.data], reason);
    const view = await health.view();
    const facilitator = view.facilitators.find(({ id }) => id === facilitatorId);
    if (facilitator === undefined) return problem("not_found");
    return context.json({ facilitator } satisfies ForceFacilitatorResponse);
  },
);
