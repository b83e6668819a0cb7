/** After a rotation: brings secrets under the newest key, a bounded number at a time. */
import type { ReEncryptResponse } from "../../contracts/secrets.ts";
import { countSecretsByKey, listSecretsUnder, replaceSealed } from "../directory/secrets.ts";
import type { SnapshotStore } from "../snapshots.ts";
import { publishTenant } from "../publish-tenant.ts";
import type { TenantId } from "../tenant-id.ts";
import type { PlatformKeys } from "./platform-keys.ts";
import { openSecret, sealSecret } from "./seal.ts";

/** Each is one write, and each of their tenants one snapshot: well below what one request may do. */
const SECRETS_AT_ONCE = 100;

/** Secrets that can't be opened stay as they are: their key is not configured, or they were tampered with. */
export async function reEncryptSecrets(
  env: SnapshotStore & { readonly DB: D1Database },
  keys: PlatformKeys,
  nowMs: number,
): Promise<ReEncryptResponse> {
  const [newest, ...older] = keys;
  const olderIds = older.map(({ id }) => id);
  const changed = new Set<TenantId>();
  let reEncrypted = 0;
  let tampered = 0;
  for (const stored of await listSecretsUnder(env.DB, olderIds, SECRETS_AT_ONCE)) {
    const opened = await openSecret(keys, stored, stored);
    if (!opened.ok) {
      const { tenantId, name } = stored;
      console.error(JSON.stringify({ event: "secret_tampered_with", tenantId, name }));
      tampered += 1;
      continue;
    }
    const sealed = await sealSecret(keys, stored, opened.value);
    if (await replaceSealed(env.DB, stored, sealed)) reEncrypted += 1;
    if (stored.isActive) changed.add(stored.tenantId);
  }
  // Edges open what snapshots hold: an older key may go only once no snapshot needs it.
  for (const tenantId of changed) await publishTenant(env, tenantId, nowMs);
  const counts = await countSecretsByKey(env.DB);
  const underOlder = olderIds.reduce((sum, id) => sum + (counts.get(id) ?? 0), 0);
  const known = underOlder + (counts.get(newest.id) ?? 0);
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const unreadable = all - known + tampered;
  return { reEncrypted, remaining: underOlder - tampered, unreadable };
}
