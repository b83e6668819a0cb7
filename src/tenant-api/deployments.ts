/** `/v1/deployments`: what is sold, at which price; immutable, numbered, and one of them active. */
import { type Context, Hono } from "hono";
import * as z from "zod";
import { configOf } from "../config.ts";
import { manifestSchema } from "../contracts/manifest.ts";
import type { DeploymentList } from "../contracts/tenant-api.ts";
import { problem } from "../payment/problems/problem.ts";
import { originTermsOf } from "../runtime/egress/origin-policy.ts";
import { deployScripts, type ScriptDeployment } from "../runtime/script/deploy-scripts.ts";
import { missingParts } from "../tenant/deployment-parts.ts";
import { planDeployment } from "../tenant/deployment-plan.ts";
import { listLatestDatasets } from "../tenant/directory/datasets.ts";
import {
  activateDeployment,
  insertDeployment,
  listDeployments,
  readDeployment,
  readPreviousDeploymentId,
} from "../tenant/directory/deployments.ts";
import { readEffectiveLimits } from "../tenant/directory/limit-overrides.ts";
import { listLatestScripts } from "../tenant/directory/scripts.ts";
import { takeSolanaAddress } from "../tenant/directory/solana-addresses.ts";
import { listSecrets } from "../tenant/directory/secrets.ts";
import { publishTenant } from "../tenant/publish-tenant.ts";
import { deploymentView } from "./deployment-view.ts";
import { networkOf } from "./network.ts";
import { limitBody, parseJsonBody, parseQuery, refuse, rowNumberSchema } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** 200 routes of the longest path and description are 150 KB; the rest is room for declarations. */
const MANIFEST_BYTES_MAX = 512 * 1024;

/** D1 takes values up to 2 MB, and every edge parses this text: columns are repeated in each route. */
const ROUTES_CHARACTERS_MAX = 1024 * 1024;

/** Deployments are listed with their routes, of which each may have a megabyte. */
const listQuerySchema = z.strictObject({
  /** Version of the last deployment of the page before. */
  cursor: rowNumberSchema.optional(),
  limit: z.coerce.number().int().min(1).max(20).default(20),
});

export const deployments = new Hono<TenantEnv>();
deployments.use(requireTenant);

deployments.post("/", limitBody(MANIFEST_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody(await context.req.text(), manifestSchema);
  if (!parsed.ok) return parsed.response;
  const manifest = parsed.value;
  const { tenant } = context.var;
  if (manifest.tenant !== tenant.tenantId) {
    return problem("forbidden", { detail: "tenant must be the one this API key belongs to." });
  }
  const uploads = {
    datasets: await listLatestDatasets(context.env.DB, tenant.serial),
    scripts: await listLatestScripts(context.env.DB, tenant.serial),
  };
  const limits = await readEffectiveLimits(context.env.DB, tenant, Date.now());
  const plan = planDeployment(manifest, uploads, {
    network: networkOf(context.env, tenant),
    networks: configOf(context.env).networks,
    environment: context.env.ENVIRONMENT,
    ...originTermsOf(context.env),
    secretNames: new Set(
      (await listSecrets(context.env.DB, tenant.serial)).map(({ name }) => name),
    ),
    egressHostsMax: limits.egressHostsMax,
  });
  if (plan.result === "refused") {
    return refuse(plan.faults[0].code, plan.faults);
  }
  if (JSON.stringify(plan.routes).length > ROUTES_CHARACTERS_MAX) {
    return refuse("invalid_request", [
      { field: "routes", message: "are too many for datasets with so many columns: deploy fewer" },
    ]);
  }
  const address = manifest.payTo?.solana;
  if (
    address !== undefined &&
    !(await takeSolanaAddress(context.env.DB, tenant.serial, address, Date.now()))
  ) {
    return refuse("invalid_request", [
      {
        field: "payTo.solana",
        message: "is another tenant's: an address is paid for one tenant only",
      },
    ]);
  }
  const scripts = await deployScripts(context.env, tenant, plan.routes);
  if (!scripts.ok) return refuseScript(scripts);
  const deployment = {
    deploymentId: `dep_${crypto.randomUUID().replaceAll("-", "")}`,
    manifest,
    routes: plan.routes,
    createdAtMs: Date.now(),
  };
  const version = await insertDeployment(context.env.DB, tenant, deployment);
  await publishTenant(context.env, tenant.tenantId, Date.now());
  return context.json(deploymentView({ ...deployment, version }, sellerOf(context)), 201);
});

deployments.post("/:deploymentId/rollback", async (context) => {
  const { tenant } = context.var;
  const deployment = await readDeployment(
    context.env.DB,
    tenant.serial,
    context.req.param("deploymentId"),
  );
  if (deployment === null) return problem("not_found");
  const missing = await missingParts(context.env, tenant, deployment.routes);
  if (missing.length > 0) {
    return problem("deployment_incomplete", {
      detail: `Gone since then: ${missing.join(", ")}. What is on sale is unchanged.`,
      extra: { missing },
    });
  }
  const scripts = await deployScripts(context.env, tenant, deployment.routes);
  if (!scripts.ok) return refuseScript(scripts);
  // Sending it again after a lost answer changes nothing, and is not one more rollback on record.
  if (deployment.version !== tenant.activeVersion) {
    await activateDeployment(context.env.DB, tenant, deployment, Date.now());
  }
  await publishTenant(context.env, tenant.tenantId, Date.now());
  return context.json(deploymentView(deployment, sellerOf(context)));
});

deployments.get("/", async (context) => {
  const query = parseQuery(context.req.raw, listQuerySchema);
  if (!query.ok) return query.response;
  const { cursor, limit } = query.value;
  const { tenant } = context.var;
  const [page, previousDeploymentId] = await Promise.all([
    listDeployments(context.env.DB, tenant.serial, { beforeVersion: cursor ?? null, limit }),
    readPreviousDeploymentId(context.env.DB, tenant.serial),
  ]);
  const answer: DeploymentList = {
    deployments: page.map((deployment) => ({
      ...deploymentView(deployment, sellerOf(context)),
      active: deployment.version === tenant.activeVersion,
      createdAtMs: deployment.createdAtMs,
    })),
    previousDeploymentId,
    nextCursor: page.length < limit ? null : `${page.at(-1)?.version ?? 1}`,
  };
  return context.json(answer);
});

function refuseScript({ script, outcome }: Extract<ScriptDeployment, { ok: false }>): Response {
  if (outcome.result === "refused") {
    return refuse("invalid_request", [
      { field: "routes", message: `name ${script}, which does not start: ${outcome.reason}` },
    ]);
  }
  console.error(JSON.stringify({ event: "script_upload_failed", script, reason: outcome.reason }));
  return problem("scripts_unavailable", { headers: { "Retry-After": "30" } });
}

function sellerOf(context: Context<TenantEnv>) {
  const { tenant } = context.var;
  return {
    tenant,
    asset: networkOf(context.env, tenant).asset,
    origin: new URL(context.req.url).origin,
  };
}
