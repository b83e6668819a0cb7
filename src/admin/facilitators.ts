/** `/admin/facilitators`: how the facilitators do, edge by edge, and the operators' word over their breakers. */
import { Hono } from "hono";
import { facilitatorCanaryOf } from "../../durable-objects/facilitator-canary/client.ts";
import {
  type FacilitatorHealthClient,
  facilitatorHealthOf,
} from "../../durable-objects/facilitator-health/client.ts";
import { configOf } from "../config.ts";
import {
  type AdminFacilitatorList,
  type ForceFacilitatorResponse,
  type RegionHealthView,
  facilitatorActionSchema,
  forceFacilitatorRequestSchema,
} from "../contracts/admin-facilitators.ts";
import { DEFAULT_REGION, REGIONS, type Region } from "../facilitator/region.ts";
import { problem } from "../payment/problems/problem.ts";
import { limitBody, parseJsonBody, SMALL_BODY_BYTES_MAX } from "../tenant-api/request.ts";
import { type OperatorEnv, requireOperator } from "../tenant-api/require-operator.ts";
import { auditStatement, listAudit } from "../tenant/directory/audit.ts";
import { PLATFORM } from "../tenant/tenant-id.ts";

const AUDIT_ENTRIES_SHOWN = 50;
/** A region that takes longer is shown as unreachable: the others must not wait for it. */
const REGION_ANSWER_MS_MAX = 5_000;

/** What each action makes of a breaker. */
const FORCED_STATE = { open: "open", close: "closed", auto: "auto" } as const;

export const facilitators = new Hono<OperatorEnv>();

facilitators.get("/facilitators", requireOperator, async (context) => {
  const [{ answers, unreachableRegions }, canary, audit] = await Promise.all([
    askRegions(context.env, REGIONS, (health) => health.view()),
    configOf(context.env).canary === null ? null : facilitatorCanaryOf(context.env).view(),
    listAudit(context.env.DB, { tenantId: PLATFORM, limit: AUDIT_ENTRIES_SHOWN }),
  ]);
  const regions = answers.map(({ region, answer }) => ({ region, ...answer })).filter(isInUse);
  const decisions = audit.filter(({ action }) => action.startsWith("facilitator."));
  const list: AdminFacilitatorList = { regions, unreachableRegions, canary, audit: decisions };
  return context.json(list);
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
    const { reason, region = null } = parsed.value;
    // Before it is done: what is not on record must not happen.
    await auditStatement(context.env.DB, {
      atMs: Date.now(),
      actor: "operator",
      operator: context.var.operator,
      tenantId: PLATFORM,
      action: `facilitator.${action.data}`,
      subject: facilitatorId,
      detail: { reason, region },
    }).run();
    const { answers, unreachableRegions } = await askRegions(
      context.env,
      region === null ? REGIONS : [region],
      async (health) => {
        await health.force(facilitatorId, FORCED_STATE[action.data], reason);
        const view = await health.view();
        return view.facilitators.filter(({ id }) => id === facilitatorId);
      },
    );
    if (unreachableRegions.length > 0) {
      return problem("region_unreachable", {
        detail: `It may not hold in ${unreachableRegions.join(", ")}; it does everywhere else.`,
      });
    }
    const regions = answers.flatMap(({ region: where, answer }) =>
      answer.map((facilitator) => ({ region: where, facilitator })),
    );
    return context.json({ regions } satisfies ForceFacilitatorResponse);
  },
);

interface Asked<Answer> {
  readonly answers: readonly { readonly region: Region; readonly answer: Answer }[];
  readonly unreachableRegions: readonly Region[];
}

/** Asks the shared health of each region, all at the same time. */
async function askRegions<Answer>(
  env: Env,
  regions: readonly Region[],
  ask: (health: FacilitatorHealthClient) => Promise<Answer>,
): Promise<Asked<Answer>> {
  const asked = await Promise.all(
    regions.map(async (region) => ({
      region,
      answers: await inTime(ask(facilitatorHealthOf(env, region))),
    })),
  );
  return {
    answers: asked.flatMap(({ region, answers }) => answers.map((answer) => ({ region, answer }))),
    unreachableRegions: asked
      .filter(({ answers }) => answers.length === 0)
      .map(({ region }) => region),
  };
}

/** The answer; nothing when there was none in time. */
async function inTime<Answer>(asked: Promise<Answer>): Promise<readonly Answer[]> {
  const lost = new Promise<[]>((resolve) => {
    setTimeout(() => resolve([]), REGION_ANSWER_MS_MAX);
  });
  return Promise.race([asked.then((answer) => [answer]).catch(() => []), lost]);
}

function isInUse({ region, edges, facilitators: views }: RegionHealthView): boolean {
  const isForced = views.some(({ verify, settle }) => (verify.forced ?? settle.forced) !== null);
  return region === DEFAULT_REGION || edges.length > 0 || isForced;
}
