/** Every endpoint there is, tried with every credential that is not meant for it; a new one fails until it is listed. */
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { beforeAll, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import { adminApi } from "../../src/admin/admin-api.ts";
import { exportLineSchema } from "../../src/contracts/export.ts";
import { tenantApi } from "../../src/tenant-api/tenant-api.ts";
import { makeApiKey } from "../../src/tenant/api-key.ts";
import {
  type Call,
  call,
  CITIES_CSV,
  createTenant,
  deploy,
  manifestOf,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";
import { FakeChain } from "../support/fake-chain.ts";
import { applyEvents, confirmed, hash, undeliveredSale } from "../support/ledger-events.ts";
import { SCORE, uploadScript } from "../support/scripts.ts";
import { confirmSales, sellCall } from "../support/settled-payments.ts";

/** A tenant's things that have a name by which they could be asked for. */
interface Things {
  readonly tenantId: TestTenant["tenantId"];
  readonly keyPrefix: string;
  readonly deploymentId: string;
  readonly datasetVersion: string;
  readonly paymentId: string;
  readonly payoutId: string;
  readonly refundId: string;
  readonly depositId: string;
}

/** A request about these things, and what another tenant's key gets for it; a status of 2xx is about its own. */
type Sample = (things: Things) => readonly [target: string, status: number, request?: Call];

const IDEMPOTENCY_KEY = { "Idempotency-Key": "0123456789abcdef" };
const CSV = { headers: { "Content-Type": "text/csv" }, body: CITIES_CSV };
const SCRIPT = { headers: { "Content-Type": "application/json" }, body: SCORE };
const SECRET_VALUE = "Bearer of-the-weather-0123456789";

/** What a tenant's key opens. */
const TENANT_ENDPOINTS: Readonly<Record<string, Sample>> = {
  "DELETE /v1/tenant": ({ tenantId }) => [`/v1/tenant?confirm=${tenantId}`, 400],
  "GET /v1/export": () => ["/v1/export", 200],
  "GET /v1/export/datasets/:name/:version": ({ datasetVersion }) => [
    `/v1/export/datasets/cities/${datasetVersion}`,
    404,
  ],
  "GET /v1/keys": () => ["/v1/keys", 200],
  "POST /v1/keys": () => ["/v1/keys", 201],
  "POST /v1/keys/rotate": () => ["/v1/keys/rotate", 201],
  "DELETE /v1/keys/:prefix": ({ keyPrefix }) => [`/v1/keys/${keyPrefix}`, 404],
  "PUT /v1/datasets/:name": () => ["/v1/datasets/cities", 201, CSV],
  "PUT /v1/scripts/:name{.+}": () => ["/v1/scripts/score.js", 201, SCRIPT],
  "GET /v1/scripts": () => ["/v1/scripts", 200],
  "GET /v1/scripts/exceedances": () => ["/v1/scripts/exceedances", 200],
  "GET /v1/secrets": () => ["/v1/secrets", 200],
  "PUT /v1/secrets/:name": () => ["/v1/secrets/WEATHER_KEY", 200, { body: { value: "mine now" } }],
  "DELETE /v1/secrets/:name": () => ["/v1/secrets/WEATHER_KEY", 404],
  "GET /v1/egress/denials": () => ["/v1/egress/denials", 200],
  "GET /v1/limits": () => ["/v1/limits", 200],
  "POST /v1/limit-overrides": () => [
    "/v1/limit-overrides",
    201,
    { body: { limits: { scriptsMax: 6 }, reason: "more code" } },
  ],
  "GET /v1/limit-overrides": () => ["/v1/limit-overrides", 200],
  "POST /v1/deployments": (things) => ["/v1/deployments", 403, { body: manifestOf(things) }],
  "POST /v1/deployments/:deploymentId/rollback": ({ deploymentId }) => [
    `/v1/deployments/${deploymentId}/rollback`,
    404,
  ],
  "GET /v1/deployments": () => ["/v1/deployments", 200],
  "GET /v1/receipts": ({ paymentId }) => [`/v1/receipts?cursor=${paymentId}`, 200],
  "GET /v1/receipts/:paymentId": ({ paymentId }) => [`/v1/receipts/${paymentId}`, 404],
  "GET /v1/balance": () => ["/v1/balance", 200],
  "GET /v1/usage": () => ["/v1/usage", 200],
  "POST /v1/payouts": () => ["/v1/payouts", 409, { headers: IDEMPOTENCY_KEY }],
  "GET /v1/payouts/:payoutId": ({ payoutId }) => [`/v1/payouts/${payoutId}`, 404],
  "GET /v1/wallet": () => ["/v1/wallet", 200],
  "PUT /v1/wallet": () => ["/v1/wallet", 202, { body: { wallet: `0x${"cd".repeat(20)}` } }],
  "POST /v1/wallet/cancel": () => ["/v1/wallet/cancel", 404],
  "POST /v1/payments/:id/refund": ({ paymentId }) => [`/v1/payments/${paymentId}/refund`, 404],
  "POST /v1/deposits/:id/refund": ({ depositId }) => [`/v1/deposits/${depositId}/refund`, 404],
  "GET /v1/deposits": ({ depositId }) => [`/v1/deposits?cursor=${depositId}`, 200],
  "GET /v1/refunds/:refundId": ({ refundId }) => [`/v1/refunds/${refundId}`, 404],
};

/** What only an operator's token opens. */
const OPERATOR_ENDPOINTS: Readonly<Record<string, (things: Things) => string>> = {
  "POST /v1/tenants": () => "/v1/tenants",
  "POST /v1/tenants/wallet-challenges": () => "/v1/tenants/wallet-challenges",
  "GET /admin/tenants": () => "/admin/tenants",
  ...belowTenant("GET ", "POST /keys", "POST /delete", "GET /export", "GET /wallet"),
  ...belowTenant("POST /wallet/cancel", "GET /egress/denials", "GET /payments", "GET /alerts"),
  ...belowTenant("GET /reconciliation", "POST /reconciliation", "GET /deposits", "GET /usage"),
  ...belowTenant("POST /suspend", "POST /resume"),
  "GET /admin/tenants/:tenantId/export/datasets/:name/:version": (things) =>
    `/admin/tenants/${things.tenantId}/export/datasets/cities/${things.datasetVersion}`,
  "GET /admin/tenants/:tenantId/payments/:paymentId": (things) => paymentPath(things, ""),
  "POST /admin/tenants/:tenantId/payments/:paymentId/retry": (things) =>
    paymentPath(things, "/retry"),
  "POST /admin/tenants/:tenantId/payments/:paymentId/resolve": (things) =>
    paymentPath(things, "/resolve"),
  "POST /admin/tenants/:tenantId/payments/:id/refund": (things) => paymentPath(things, "/refund"),
  "POST /admin/tenants/:tenantId/deposits/:id/refund": ({ tenantId, depositId }) =>
    `/admin/tenants/${tenantId}/deposits/${depositId}/refund`,
  "GET /admin/audit": () => "/admin/audit",
  "POST /admin/secrets/re-encrypt": () => "/admin/secrets/re-encrypt",
  "GET /admin/alerts": () => "/admin/alerts",
  "GET /admin/alerts/dead-letters": () => "/admin/alerts/dead-letters",
  "POST /admin/alerts/dead-letters/:deadLetterId/redeliver": () =>
    "/admin/alerts/dead-letters/1/redeliver",
  "GET /admin/facilitators": () => "/admin/facilitators",
  "POST /admin/facilitators/:facilitatorId/:action": () => "/admin/facilitators/primary/open",
  "GET /admin/limit-overrides": () => "/admin/limit-overrides",
  "POST /admin/limit-overrides/:overrideId/approve": () => "/admin/limit-overrides/1/approve",
  "POST /admin/limit-overrides/:overrideId/deny": () => "/admin/limit-overrides/1/deny",
  "POST /admin/limit-overrides/:overrideId/revoke": () => "/admin/limit-overrides/1/revoke",
};

function belowTenant(...targets: string[]): Record<string, (things: Things) => string> {
  return Object.fromEntries(
    targets.map((target) => {
      const [method = "", path = ""] = target.split(" ");
      const ofTenant = ({ tenantId }: Things) => `/admin/tenants/${tenantId}${path}`;
      return [`${method} /admin/tenants/:tenantId${path}`, ofTenant];
    }),
  );
}

function paymentPath({ tenantId, paymentId }: Things, below: string): string {
  return `/admin/tenants/${tenantId}/payments/${paymentId}${below}`;
}

/** Of the same form as a tenant's, and nobody's. */
const INVENTED: Things = {
  tenantId: "nobody-here" as TestTenant["tenantId"],
  keyPrefix: "claw_0000000",
  deploymentId: `dep_${"0".repeat(32)}`,
  datasetVersion: "00000000-0000-4000-8000-000000000000",
  paymentId: `pay_nobody-here_${"0".repeat(29)}`,
  payoutId: `out_nobody-here_${"0".repeat(29)}`,
  refundId: `ref_nobody-here_${"0".repeat(29)}`,
  depositId: `dep_nobody-here_${"0".repeat(29)}`,
};

const NOBODYS_KEY = makeApiKey(crypto.getRandomValues(new Uint8Array(32)));

let acme: TestTenant;
let things: Things;
/** What its owner sees before anybody else asks. */
let before: string[];

beforeAll(async () => {
  acme = await createTenant();
  await uploadCities(acme);
  await uploadScript(acme, "score.js", SCORE);
  await asAcme("PUT /v1/secrets/WEATHER_KEY", { body: { value: SECRET_VALUE } });
  const { deploymentId } = await deploy(acme);
  const paymentId = await sellCall(acme);
  await confirmSales(acme);
  const payout = z
    .object({ payoutId: z.string() })
    .parse(await bodyOf("POST /v1/payouts", { headers: IDEMPOTENCY_KEY }));
  const chain = new FakeChain();
  chain.install();
  const owed = await undeliveredSale(acme);
  await applyEvents(acme, owed, [confirmed(hash("01"))]);
  const refund = z
    .object({ refundId: z.string() })
    .parse(await bodyOf(`POST /v1/payments/${owed}/refund`));
  vi.restoreAllMocks();
  await asAcme("PUT /v1/wallet", { body: { wallet: `0x${"ab".repeat(20)}` } });
  const lines = (await textOf(await asAcme("GET /v1/export"))).trimEnd().split("\n");
  const dataset = lines
    .map((line) => exportLineSchema.parse(JSON.parse(line)))
    .find((line) => line.type === "dataset");
  things = {
    tenantId: acme.tenantId,
    keyPrefix: acme.apiKey.slice(0, 12),
    deploymentId,
    datasetVersion: dataset?.version ?? "",
    paymentId,
    payoutId: payout.payoutId,
    refundId: refund.refundId,
    depositId: paymentId.replace("pay_", "dep_"),
  };
  before = await stateOfAcme();
});

function asAcme(target: string, request: Call = {}): Promise<Response> {
  return call(target, { credential: acme.apiKey, ...request });
}

async function bodyOf(target: string, request: Call = {}): Promise<unknown> {
  return JSON.parse(await textOf(await asAcme(target, request)));
}

/** NDJSON is no text to workerd, which warns of reading it as such. */
async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

/** Everything that its owner can see of it, and what is on sale. */
async function stateOfAcme(): Promise<string[]> {
  const views = Object.entries(TENANT_ENDPOINTS)
    .filter(([endpoint]) => endpoint.startsWith("GET ") && !endpoint.includes(":"))
    .map(([endpoint]) => endpoint);
  const shown = await Promise.all(views.map(async (view) => textOf(await asAcme(view))));
  const published = await env.SNAPSHOTS.get(`tenant:${acme.tenantId}`);
  return [...shown, published ?? ""];
}

test("each endpoint is listed here", () => {
  const app = new Hono<{ Bindings: Env }>().route("/v1", tenantApi).route("/admin", adminApi);
  const served = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
  const listed = [...Object.keys(TENANT_ENDPOINTS), ...Object.keys(OPERATOR_ENDPOINTS)];
  expect(listed.toSorted()).toEqual([...new Set(served)].toSorted());
});

describe.each(Object.entries(TENANT_ENDPOINTS))("%s", (endpoint, sample) => {
  const [method = ""] = endpoint.split(" ");
  const send = (named: Things, credential?: string) => {
    const [target, , request = {}] = sample(named);
    return call(`${method} ${target}`, { ...request, credential });
  };

  test("asks for a key, and takes neither an operator's token nor what looks like a key", async () => {
    const without = await send(things);
    expect(without.headers.get("WWW-Authenticate")).toMatch(/^Bearer realm=/);
    expect(without.status).toBe(401);
    for (const credential of [env.OPERATOR_TOKEN, NOBODYS_KEY, "hello", things.keyPrefix]) {
      const answer = await send(things, credential);
      expect(answer.headers.get("WWW-Authenticate")).toContain("invalid_token");
      expect(answer.status).toBe(401);
    }
  });

  test("shows another tenant's key nothing of its owner's, and changes nothing of it", async () => {
    const other = await createTenant();
    const answer = await send(things, other.apiKey);
    const [, status] = sample(things);
    expect(answer.status).toBe(status);
    const text = await textOf(answer);
    for (const word of [...Object.values(things), acme.apiKey, acme.payTo, SECRET_VALUE]) {
      expect(text).not.toContain(word);
    }
    expect(await stateOfAcme()).toEqual(before);
    if (status >= 400) expect(await textOf(await send(INVENTED, other.apiKey))).toBe(text);
  });
});

describe.each(Object.entries(OPERATOR_ENDPOINTS))("%s", (endpoint, pathOf) => {
  const [method = ""] = endpoint.split(" ");

  test("is closed to everybody but operators, to its own tenant too", async () => {
    const target = `${method} ${pathOf(things)}`;
    expect((await call(target)).status).toBe(401);
    const refusals = new Set<string>();
    for (const credential of [acme.apiKey, (await createTenant()).apiKey, NOBODYS_KEY, "hello"]) {
      const answer = await call(target, { credential });
      expect(answer.status).toBe(403);
      refusals.add(await textOf(answer));
    }
    const invented = `${method} ${pathOf(INVENTED)}`;
    refusals.add(await textOf(await call(invented, { credential: acme.apiKey })));
    expect(refusals.size).toBe(1);
  });

  test("is there for an operator", async () => {
    const credential = env.OPERATOR_TOKEN;
    const answer = await call(`${method} ${pathOf(INVENTED)}`, { credential });
    expect([200, 201, 202, 400, 404]).toContain(answer.status);
    await answer.body?.cancel();
  });
});
