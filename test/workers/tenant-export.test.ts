/** What a tenant takes along: all that is kept of it, and nothing that opens anything. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { type ExportLine, exportLineSchema } from "../../src/contracts/export.ts";
import {
  call,
  createTenant,
  deploy,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";
import { SCORE, uploadScript } from "../support/scripts.ts";
import { confirmSales, sellCall } from "../support/settled-payments.ts";

const SECRET = "Bearer of-the-weather-0123456789";

async function busyTenant(): Promise<TestTenant> {
  const tenant = await createTenant();
  await uploadCities(tenant);
  await uploadScript(tenant, "score.js", SCORE);
  await call("PUT /v1/secrets/WEATHER_KEY", {
    credential: tenant.apiKey,
    body: { value: SECRET },
  });
  await deploy(tenant);
  await deploy(tenant, "$0.002");
  for (let sale = 0; sale < 3; sale += 1) await sellCall(tenant);
  await confirmSales(tenant);
  await call("POST /v1/payouts", {
    credential: tenant.apiKey,
    headers: { "Idempotency-Key": "0123456789abcdef" },
  });
  return tenant;
}

/** NDJSON is no text to workerd, which warns of reading it as such. */
async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

async function exported(target: string, credential: string): Promise<ExportLine[]> {
  const response = await call(target, { credential });
  expect(response.headers.get("Content-Type")).toBe("application/x-ndjson");
  const lines = (await textOf(response)).trimEnd().split("\n");
  return lines.map((line) => exportLineSchema.parse(JSON.parse(line)));
}

function countByType(lines: readonly ExportLine[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of lines) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

test("an export has everything, in lines of known types, and says that it is whole", async () => {
  const tenant = await busyTenant();
  const lines = await exported("GET /v1/export", tenant.apiKey);
  expect(countByType(lines)).toEqual({
    tenant: 1,
    deployment: 2,
    dataset: 1,
    script: 1,
    receipt: 3,
    payout: 1,
    posting: 4,
    audit: 7,
    end: 1,
  });
  expect(lines.at(-1)).toEqual({ type: "end", lines: lines.length - 1 });
  expect(lines.find(({ type }) => type === "script")).toMatchObject({ bundle: SCORE });
  for (const line of lines) {
    if (line.type !== "posting") continue;
    const sum = line.entries.reduce((total, entry) => total + BigInt(entry.amountAtomic), 0n);
    expect(sum).toBe(0n);
  }
});

test("an export has no secret, no key and no hash", async () => {
  const tenant = await busyTenant();
  const response = await call("GET /v1/export", { credential: tenant.apiKey });
  const text = await textOf(response);
  const { results } = await env.DB.prepare(
    "SELECT key_hash AS secret FROM api_keys UNION ALL SELECT sealed FROM tenant_secrets",
  ).all<{ secret: string }>();
  expect(results.length).toBeGreaterThan(1);
  for (const { secret } of [...results, { secret: SECRET }, { secret: tenant.apiKey }]) {
    expect(text).not.toContain(secret);
  }
});

test("the rows of each dataset version are where its line says", async () => {
  const tenant = await busyTenant();
  const lines = await exported("GET /v1/export", tenant.apiKey);
  const dataset = lines.find((line) => line.type === "dataset");
  const { pathname } = new URL(dataset?.rowsUrl ?? "");
  const rows = await call(`GET ${pathname}`, { credential: tenant.apiKey });
  expect((await textOf(rows)).trimEnd().split("\n")).toEqual([
    '{"id":1,"country":"PE","zip":"01001"}',
    '{"id":2,"country":"FR","zip":"75001"}',
  ]);
  const other = await createTenant();
  expect((await call(`GET ${pathname}`, { credential: other.apiKey })).status).toBe(404);
});

test("an operator gets the same, of a deleted tenant too", async () => {
  const tenant = await busyTenant();
  const path = `GET /admin/tenants/${tenant.tenantId}/export`;
  const own = await exported("GET /v1/export", tenant.apiKey);
  expect(countByType(await exported(path, env.OPERATOR_TOKEN))).toEqual(countByType(own));
  expect((await call(path, { credential: tenant.apiKey })).status).toBe(403);

  const gone = await createTenant();
  await uploadCities(gone);
  await deploy(gone);
  await call(`DELETE /v1/tenant?confirm=${gone.tenantId}`, { credential: gone.apiKey });
  const left = await exported(`GET /admin/tenants/${gone.tenantId}/export`, env.OPERATOR_TOKEN);
  expect(countByType(left)).toEqual({ tenant: 1, deployment: 1, audit: 4, end: 1 });
});
