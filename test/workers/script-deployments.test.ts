/** Where scripts run in a dispatch namespace: what is uploaded when, what is dispatched, and what is counted. */
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import type { Route, ScriptHandlerDefinition } from "../../src/contracts/snapshot.ts";
import { scriptReportSchema } from "../../src/contracts/script.ts";
import { deployScripts, removeDeployedScripts } from "../../src/runtime/script/deploy-scripts.ts";
import { scriptHandler } from "../../src/runtime/script/script-handler.ts";
import { dispatchKey } from "../../src/runtime/script/script-runtime.ts";
import { listLimitExceedances } from "../../src/tenant/directory/limit-exceedances.ts";
import { readTenant, type TenantRecord } from "../../src/tenant/directory/tenants.ts";
import { effectiveLimits, type Limits } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { createTenant, type TestTenant } from "../support/control-plane.ts";
import { callContext } from "../support/datasets.ts";
import { FakeDispatchNamespace } from "../support/dispatch-namespace.ts";
import { handlerSource, singleModule, uploadScript } from "../support/scripts.ts";

const ANSWER = singleModule(
  handlerSource("return new Response(request.headers.get('Payment-Id'))"),
);

const namespace = new FakeDispatchNamespace();
const namespaceEnv = {
  SCRIPTS: env.SCRIPTS,
  SETTLEMENT_LEDGER: env.SETTLEMENT_LEDGER,
  DB: env.DB,
  ENVIRONMENT: "production",
  DISPATCHER: namespace,
  CLOUDFLARE_ACCOUNT_ID: "account",
  CLOUDFLARE_API_TOKEN: "token",
  DISPATCH_NAMESPACE: "claw-production",
};

afterEach(() => vi.restoreAllMocks());

async function sellerOf(bundle = ANSWER): Promise<{ tenant: TenantRecord; routes: Route[] }> {
  const seller: TestTenant = await createTenant();
  const report = scriptReportSchema.parse(
    await (await uploadScript(seller, "score.js", bundle)).json(),
  );
  const tenant = await readTenant(env.DB, seller.tenantId);
  if (tenant === null) throw new Error("the tenant was just made");
  const ref = { environment: "production", tenantId: tenant.tenantId, version: report.version };
  const handler: ScriptHandlerDefinition = {
    kind: "script",
    script: "score.js",
    version: report.version,
    dispatchKey: dispatchKey(ref),
    allowedHosts: [],
  };
  return { tenant, routes: [{ ...routeOf(handler), handler }] };
}

/** Everything but the handler is nothing to scripts. */
function routeOf(handler: ScriptHandlerDefinition): Route {
  return { ...callContext(DATASET).route, path: "/score", handler };
}

const DATASET = {
  kind: "dataset" as const,
  dataset: "cities",
  store: "acme/cities/v1",
  mode: "list" as const,
  key: null,
  columns: [],
};

/** Answers for Cloudflare's API, and notes what was uploaded or deleted. What is uploaded has the tags it should have. */
function api(answer: () => Response): string[] {
  const paths: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((input) => {
    const { pathname } = new URL(typeof input === "string" ? input : "");
    const [, key] = /([^/]+)\/tags$/.exec(pathname) ?? [];
    if (key === undefined) {
      paths.push(pathname);
      return Promise.resolve(answer());
    }
    const [environment, tenantId, version] = key.split("--");
    const result = [`environment-${environment}`, `tenant-${tenantId}`, `version-${version}`];
    return Promise.resolve(Response.json({ success: true, errors: [], result }));
  });
  return paths;
}

const accepted = () => Response.json({ success: true, errors: [] });

test("a version is uploaded once, however often it is deployed", async () => {
  const { tenant, routes } = await sellerOf();
  const paths = api(accepted);
  expect(await deployScripts(namespaceEnv, tenant, [...routes, ...routes])).toEqual({ ok: true });
  expect(await deployScripts(namespaceEnv, tenant, routes)).toEqual({ ok: true });
  const [route] = routes;
  const key = route?.handler.kind === "script" ? route.handler.dispatchKey : null;
  expect(paths).toEqual([
    `/client/v4/accounts/account/workers/dispatch/namespaces/claw-production/scripts/${key}`,
  ]);
});

test("a tenant's code is taken out of the namespace, and what fails is tried again", async () => {
  const { tenant, routes } = await sellerOf();
  api(accepted);
  await deployScripts(namespaceEnv, tenant, routes);
  vi.restoreAllMocks();
  api(() => new Response("", { status: 502 }));
  expect(await removeDeployedScripts(namespaceEnv, tenant.serial)).toBe(false);
  vi.restoreAllMocks();
  const paths = api(accepted);
  expect(await removeDeployedScripts(namespaceEnv, tenant.serial)).toBe(true);
  expect(await removeDeployedScripts(namespaceEnv, tenant.serial)).toBe(true);
  expect(paths).toHaveLength(1);
});

test("a failed upload is tried again by the next deployment", async () => {
  const { tenant, routes } = await sellerOf();
  api(() => new Response("", { status: 502 }));
  expect(await deployScripts(namespaceEnv, tenant, routes)).toMatchObject({
    ok: false,
    script: "score.js",
    outcome: { result: "unavailable" },
  });
  vi.restoreAllMocks();
  const paths = api(accepted);
  expect(await deployScripts(namespaceEnv, tenant, routes)).toEqual({ ok: true });
  expect(paths).toHaveLength(1);
});

test("without the API's credentials nothing is deployed; without a namespace nothing has to be", async () => {
  const { tenant, routes } = await sellerOf();
  const paths = api(accepted);
  const { CLOUDFLARE_API_TOKEN: _token, ...withoutToken } = namespaceEnv;
  expect(await deployScripts(withoutToken, tenant, routes)).toMatchObject({ ok: false });
  const { DISPATCHER: _dispatcher, ...withoutNamespace } = namespaceEnv;
  expect(await deployScripts(withoutNamespace, tenant, routes)).toEqual({ ok: true });
  expect(paths).toEqual([]);
});

test("what is deployed is dispatched, with who paid", async () => {
  const { tenant, routes } = await sellerOf();
  const response = await run(tenant, routes);
  expect(await response.text()).toBe("pay_acme_1");
});

test.each([
  ["of the plan", [], { cpuMs: 200, egressHostsMax: 20 }],
  [
    "raised by an override",
    [{ limits: { cpuMs: 500, egressHostsMax: 25 }, expiresAtMs: null }],
    { cpuMs: 500, egressHostsMax: 25 },
  ],
])("the limits in force go with every dispatch: %s", async (_name, limitOverrides, expected) => {
  const { tenant, routes } = await sellerOf();
  const allowedHosts = Array.from({ length: 30 }, (_, index) => `h${index}.example.com`);
  const sold = routes.map((route) =>
    route.handler.kind === "script"
      ? { ...route, handler: { ...route.handler, allowedHosts } }
      : route,
  );
  const limits = effectiveLimits({ plan: "pro", limitOverrides }, Date.now());
  await run(tenant, sold, "production", limits);
  const { subRequests, egressBytesMax } = PLANS.pro.limits;
  expect(namespace.dispatched.at(-1)?.options).toMatchObject({
    limits: { cpuMs: expected.cpuMs, subRequests },
    outbound: {
      egress: {
        allowedHosts: allowedHosts.slice(0, expected.egressHostsMax),
        maxSubrequests: subRequests,
        maxBytes: egressBytesMax,
      },
    },
  });
});

test("a key of another tenant or environment is never dispatched", async () => {
  const { tenant, routes } = await sellerOf();
  const before = namespace.dispatched.length;
  const stranger = (await sellerOf()).tenant;
  await expect(run(stranger, routes)).rejects.toThrow("was to be dispatched");
  await expect(run(tenant, routes, "staging")).rejects.toThrow("was to be dispatched");
  expect(namespace.dispatched).toHaveLength(before);
});

test("a limit that is passed is said to the caller and counted for the tenant", async () => {
  const { tenant, routes } = await sellerOf();
  for (const message of ["Worker exceeded CPU time limit.", "Worker exceeded CPU time limit."]) {
    namespace.nextThrow = message;
    const response = await run(tenant, routes);
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ code: "tenant_limit_exceeded", limit: "cpu" });
  }
  await vi.waitFor(
    async () =>
      expect(await listLimitExceedances(env.DB, tenant.tenantId, 10)).toMatchObject([
        { limit: "cpu", count: 2 },
      ]),
    { timeout: 30_000, interval: 50 },
  );
});

function run(
  { tenantId }: TenantRecord,
  [route]: readonly Route[],
  environment = "production",
  limits: Limits = PLANS.free.limits,
): Promise<Response> {
  if (route?.handler.kind !== "script") throw new Error("a script is sold");
  namespace.deploy(route.handler.dispatchKey, ANSWER);
  return scriptHandler({ ...namespaceEnv, ENVIRONMENT: environment }, route.handler).run(
    new Request("https://acme/score"),
    { ...callContext(DATASET), tenantId, route, limits },
  );
}
