/** Operators have names: whoever does something is on record under theirs. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { adminApi } from "../../src/admin/admin-api.ts";
import { auditListSchema, type AuditList } from "../../src/contracts/admin-api.ts";
import { tenantApi } from "../../src/tenant-api/tenant-api.ts";
import { hashOperatorToken } from "../../src/tenant/operators.ts";
import { call, freshTenantId, problemOf, WALLET } from "../support/control-plane.ts";

const TOKENS = { ann: "token-of-ann-0123456789", bob: "token-of-bob-0123456789" };

const OPERATORS = JSON.stringify(
  await Promise.all(
    Object.entries(TOKENS).map(async ([name, token]) => ({
      name,
      tokenHash: await hashOperatorToken(token),
    })),
  ),
);
const platform = { ...env, OPERATORS };

function as(name: keyof typeof TOKENS, body?: unknown): RequestInit {
  return {
    method: body === undefined ? "GET" : "POST",
    headers: { Authorization: `Bearer ${TOKENS[name]}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

async function createTenantAs(name: keyof typeof TOKENS): Promise<string> {
  const tenantId = freshTenantId();
  const request = as(name, { tenantId, wallet: WALLET });
  expect((await tenantApi.request("/tenants", request, platform)).status).toBe(201);
  return tenantId;
}

async function audit(query: string): Promise<AuditList> {
  const response = await adminApi.request(`/audit?${query}`, as("ann"), platform);
  return auditListSchema.parse(await response.json());
}

test("each operator's actions are on record under the name, under /v1 and under /admin", async () => {
  const [ofAnn, ofBob] = [await createTenantAs("ann"), await createTenantAs("bob")];
  await adminApi.request("/secrets/re-encrypt", as("bob", {}), platform);
  expect((await audit(`tenant=${ofAnn}`)).entries).toMatchObject([
    { actor: "operator", operator: "ann", tenantId: ofAnn, action: "tenant.create" },
  ]);
  expect((await audit("operator=bob&limit=2")).entries).toMatchObject([
    { operator: "bob", tenantId: "platform", action: "secrets.re_encrypt" },
    { operator: "bob", tenantId: ofBob, action: "tenant.create" },
  ]);
  expect((await audit(`operator=bob&tenant=${ofAnn}`)).entries).toEqual([]);
});

test("the audit log is read in pages, newest first", async () => {
  for (let made = 0; made < 3; made += 1) await createTenantAs("ann");
  const first = await audit("operator=ann&limit=2");
  expect(first.entries).toHaveLength(2);
  const next = await audit(`operator=ann&limit=2&cursor=${first.nextCursor}`);
  const ids = [...first.entries, ...next.entries].map(({ auditId }) => auditId);
  expect(ids).toEqual(ids.toSorted((one, other) => other - one));
  expect(new Set(ids).size).toBe(ids.length);
});

test("a token opens only what is configured, and a removed operator is out", async () => {
  for (const token of ["token-of-ann-012345678", `${TOKENS.ann}x`, "x"]) {
    const request = { headers: { Authorization: `Bearer ${token}` } };
    expect(await problemOf(await adminApi.request("/audit", request, platform))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  }
  const onlyBob = JSON.stringify([{ name: "bob", tokenHash: await hashOperatorToken(TOKENS.bob) }]);
  const without = { ...platform, OPERATORS: onlyBob };
  expect((await adminApi.request("/audit", as("ann"), without)).status).toBe(403);
  expect((await adminApi.request("/audit", as("bob"), without)).status).toBe(200);
});

test("what tenants do carries no operator's name", async () => {
  await expect(
    env.DB.prepare(
      `INSERT INTO audit (at_ms, actor, operator, tenant_id, action, subject, detail)
       VALUES (1, 'tenant', 'ann', 'acme', 'deployment.create', 'x', '{}')`,
    ).run(),
  ).rejects.toThrow("CHECK constraint failed");
});

test.each(["tenant=Acme", "operator=Ann", "cursor=x", "fly=1"])(
  "refuses the query %s",
  async (query) => {
    const response = await call(`GET /admin/audit?${query}`, { credential: env.OPERATOR_TOKEN });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: "invalid_request" });
  },
);
