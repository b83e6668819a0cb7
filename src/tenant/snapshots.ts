/**
 * Published snapshots: written by the control plane to KV, read by the data plane at every call, remembered in the
 * isolate for moments. KV reaches other places within its own cache time; prices stay honest meanwhile
 * because quotes are signed.
 */
import { type TenantSnapshot, tenantSnapshotSchema } from "../contracts/snapshot.ts";
import { CEILINGS } from "./limits.ts";
import type { TenantId } from "./tenant-id.ts";

/** How long an isolate serves its copy without asking KV: what a burst of calls shares. */
const FRESH_MS = 2_000;

/**
 * How long a place keeps what it has read from KV: the least that KV takes, so that a change is everywhere within
 * half a minute and the moments above.
 */
const KV_CACHE_SECONDS = 30;

/** Shorter for "no such tenant", so that a tenant just created is found at once. */
const FRESH_ABSENT_MS = 500;

/** How long an expired copy still serves when KV fails: an outage of KV must not stop sales. */
const STALE_MS = 10 * 60_000;

/** An isolate has 128 MB for everything; copies are counted by their JSON text (about a third of their size in memory). */
const CACHE_CHARACTERS_MAX = 8 * 1024 * 1024;

/** Absent tenants cost nothing by the measure above, but whoever guesses names must not fill memory either. */
const CACHE_ENTRIES_MAX = 5_000;

interface CachedSnapshot {
  readonly snapshot: TenantSnapshot | null;
  readonly readAtMs: number;
  readonly characters: number;
}

/** The bindings this module needs; `Env` has them. */
export interface SnapshotStore {
  readonly SNAPSHOTS: KVNamespace;
}

/** Oldest entry first (a Map keeps insertion order); one per isolate, as KV is one per environment. */
const cache = new Map<TenantId, CachedSnapshot>();
let cachedCharacters = 0;

/** Longer than any answer is kept: afterwards a deleted tenant is unknown. */
const DELETED_KEPT_SECONDS = (CEILINGS.retentionMs + 24 * 60 * 60 * 1_000) / 1_000;

/** Writes the snapshot where every edge reads it; this isolate sees it at once. */
export async function publishSnapshot(
  env: SnapshotStore,
  snapshot: TenantSnapshot,
  nowMs: number,
): Promise<void> {
  const text = JSON.stringify(snapshot);
  const isDeleted = snapshot.deletedAtMs !== undefined;
  const options = isDeleted ? { expirationTtl: DELETED_KEPT_SECONDS } : {};
  await env.SNAPSHOTS.put(snapshotKey(snapshot.tenantId), text, options);
  remember(snapshot.tenantId, { snapshot, readAtMs: nowMs, characters: text.length });
}

/**
 * What is sold under this name now, or null when there is no such tenant.
 *
 * @throws when KV fails and the isolate has no recent copy, or when what KV holds is not a snapshot of this tenant
 */
export async function readSnapshot(
  env: SnapshotStore,
  tenantId: TenantId,
  nowMs: number,
): Promise<TenantSnapshot | null> {
  const cached = cache.get(tenantId);
  if (cached !== undefined && nowMs - cached.readAtMs < freshMs(cached)) return cached.snapshot;
  let text: string | null;
  try {
    text = await env.SNAPSHOTS.get(snapshotKey(tenantId), {
      type: "text",
      cacheTtl: KV_CACHE_SECONDS,
    });
  } catch (error) {
    if (cached !== undefined && nowMs - cached.readAtMs < STALE_MS) return cached.snapshot;
    throw error;
  }
  const snapshot = text === null ? null : parseSnapshot(text, tenantId);
  remember(tenantId, { snapshot, readAtMs: nowMs, characters: text?.length ?? 0 });
  return snapshot;
}

function freshMs(cached: CachedSnapshot): number {
  return cached.snapshot === null ? FRESH_ABSENT_MS : FRESH_MS;
}

function snapshotKey(tenantId: TenantId): string {
  return `tenant:${tenantId}`;
}

function parseSnapshot(text: string, tenantId: TenantId): TenantSnapshot {
  const snapshot = tenantSnapshotSchema.parse(JSON.parse(text));
  if (snapshot.tenantId !== tenantId) {
    throw new Error(`the snapshot under ${snapshotKey(tenantId)} is of ${snapshot.tenantId}`);
  }
  return snapshot;
}

function remember(tenantId: TenantId, entry: CachedSnapshot): void {
  forget(tenantId);
  cache.set(tenantId, entry);
  cachedCharacters += entry.characters;
  for (const oldest of cache.keys()) {
    const full = cachedCharacters > CACHE_CHARACTERS_MAX || cache.size > CACHE_ENTRIES_MAX;
    if (!full || oldest === tenantId) break;
    forget(oldest);
  }
}

function forget(tenantId: TenantId): void {
  cachedCharacters -= cache.get(tenantId)?.characters ?? 0;
  cache.delete(tenantId);
}
