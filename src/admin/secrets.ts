/** `POST /admin/secrets/re-encrypt`: after a rotation of `PLATFORM_KEYS`, brings tenants' secrets under the newest key. */
import { Hono } from "hono";
import { type OperatorEnv, requireOperator } from "../tenant-api/require-operator.ts";
import { auditStatement } from "../tenant/directory/audit.ts";
import { platformKeysOf } from "../tenant/secrets/platform-keys.ts";
import { reEncryptSecrets } from "../tenant/secrets/re-encrypt.ts";
import { PLATFORM } from "../tenant/tenant-id.ts";

export const secrets = new Hono<OperatorEnv>();

secrets.post("/secrets/re-encrypt", requireOperator, async (context) => {
  const keys = platformKeysOf(context.env);
  const nowMs = Date.now();
  // Before it is done: what is not on record must not happen.
  await auditStatement(context.env.DB, {
    atMs: nowMs,
    actor: "operator",
    operator: context.var.operator,
    tenantId: PLATFORM,
    action: "secrets.re_encrypt",
    subject: keys[0].id,
    detail: {},
  }).run();
  return context.json(await reEncryptSecrets(context.env, keys, nowMs));
});
