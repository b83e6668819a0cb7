/** The control plane as its users reach it, over HTTP, before anything else is mounted beside it. */
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { adminApi } from "../../src/admin/admin-api.ts";
import { tenantApi } from "../../src/tenant-api/tenant-api.ts";
import {
  createTenantResponseSchema,
  type DeploymentResponse,
  deploymentResponseSchema,
} from "../../src/contracts/tenant-api.ts";
import type { TenantId } from "../../src/tenant/tenant-id.ts";

const app = new Hono<{ Bindings: Env }>().route("/v1", tenantApi).route("/admin", adminApi);

export const WALLET = "0x90f79bf6eb2c4f870365e785982e1f101e93b906";

export const CITIES_CSV = "id,country,zip\n1,PE,01001\n2,FR,75001\n";

export interface Call {
  /** An API key or the operator's token. */
  readonly credential?: string | undefined;
  /** Sent as it is when it is a string, as JSON otherwise. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request such as `POST /v1/tenants`. */
export async function call(target: string, { credential, body, headers }: Call = {}) {
  const [method = "GET", path = "/"] = target.split(" ");
  const init = {
    method,
    headers: {
      ...(credential === undefined ? {} : { Authorization: `Bearer ${credential}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  };
  return app.request(`https://claw.test${path}`, init, env);
}

export function freshTenantId(): string {
  return `t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`;
}

export interface TestTenant {
  readonly tenantId: TenantId;
  readonly apiKey: string;
  readonly payTo: string;
  readonly wallet: string;
}

export async function createTenant(overrides: object = {}): Promise<TestTenant> {
  const response = await call("POST /v1/tenants", {
    credential: env.OPERATOR_TOKEN,
    body: { tenantId: freshTenantId(), wallet: WALLET, ...overrides },
  });
  return createTenantResponseSchema.parse(await response.json());
}

export async function uploadCities({ apiKey }: TestTenant, csv = CITIES_CSV): Promise<Response> {
  return call("PUT /v1/datasets/cities?key=id&index=country", {
    credential: apiKey,
    headers: { "Content-Type": "text/csv" },
    body: csv,
  });
}

/** A manifest that sells the cities. */
export function manifestOf({ tenantId }: Pick<TestTenant, "tenantId">, price = "$0.001") {
  return {
    tenant: tenantId,
    datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
    routes: [{ path: "/cities", dataset: "cities", price }],
  };
}

export async function deploy(tenant: TestTenant, price = "$0.001"): Promise<DeploymentResponse> {
  const response = await call("POST /v1/deployments", {
    credential: tenant.apiKey,
    body: manifestOf(tenant, price),
  });
  return deploymentResponseSchema.parse(await response.json());
}

/** The code of a problem document, with the fields it complains about. */
export async function problemOf(response: Response) {
  const document = await response.json<{ code: string; errors?: { field: string }[] }>();
  return {
    status: response.status,
    code: document.code,
    fields: (document.errors ?? []).map(({ field }) => field),
  };
}
