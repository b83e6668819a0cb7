/** `/v1/secrets`: what a tenant's routes need to reach its own services. Values are written, and never read back. */
import { Hono } from "hono";
import * as z from "zod";
import {
  putSecretRequestSchema,
  SECRETS_MAX,
  type SecretList,
  type SecretView,
  secretNameSchema,
} from "../contracts/secrets.ts";
import { problem } from "../payment/problems/problem.ts";
import { deleteSecret, listSecrets, putSecret } from "../tenant/directory/secrets.ts";
import { publishTenant } from "../tenant/publish-tenant.ts";
import { platformKeysOf } from "../tenant/secrets/platform-keys.ts";
import { sealSecret } from "../tenant/secrets/seal.ts";
import { limitBody, parseJsonBody, parseValue, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

const pathSchema = z.object({ name: secretNameSchema });

export const secrets = new Hono<TenantEnv>();
secrets.use(requireTenant);

secrets.get("/", async (context) => {
  const { tenant } = context.var;
  const answer: SecretList = { secrets: await listSecrets(context.env.DB, tenant.serial) };
  return context.json(answer);
});

secrets.put("/:name", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const { tenant } = context.var;
  const path = parseValue({ name: context.req.param("name") }, pathSchema);
  if (!path.ok) return path.response;
  const body = parseJsonBody(await context.req.text(), putSecretRequestSchema);
  if (!body.ok) return body.response;
  const { name } = path.value;
  const known = await listSecrets(context.env.DB, tenant.serial);
  if (known.length >= SECRETS_MAX && !known.some((secret) => secret.name === name)) {
    const message = `would be one of more than ${SECRETS_MAX} secrets: delete one first`;
    return refuse("invalid_request", [{ field: "name", message }]);
  }
  const place = { tenantId: tenant.tenantId, name };
  const sealed = await sealSecret(platformKeysOf(context.env), place, body.value.value);
  const nowMs = Date.now();
  await putSecret(context.env.DB, tenant, name, sealed, nowMs);
  await publishTenant(context.env, tenant.tenantId, nowMs);
  return context.json({ name, updatedAtMs: nowMs } satisfies SecretView);
});

secrets.delete("/:name", async (context) => {
  const { tenant } = context.var;
  const path = parseValue({ name: context.req.param("name") }, pathSchema);
  if (!path.ok) return path.response;
  const { name } = path.value;
  const known = await listSecrets(context.env.DB, tenant.serial);
  if (!known.some((secret) => secret.name === name)) return problem("not_found");
  const nowMs = Date.now();
  await deleteSecret(context.env.DB, tenant, name, nowMs);
  await publishTenant(context.env, tenant.tenantId, nowMs);
  return context.body(null, 204);
});
