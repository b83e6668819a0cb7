import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import { configOf } from "../config.ts";
import { type BackgroundContext, HealthCache } from "./health-cache.ts";
import { type PaymentKind, isSameKind } from "./payment-kind.ts";
import type { FacilitatorGateway } from "./port.ts";
import type { Region } from "./region.ts";
import { RoutedFacilitators } from "./routed-facilitators.ts";

/** One isolate, as the health of each region it serves callers from knows it. */
interface Edge {
  readonly instanceId: string;
  readonly caches: Map<Region, HealthCache>;
}

const edges = new WeakMap<object, Edge>();

/** The gateway of this environment; its view of a region's health is shared by the whole isolate. */
export function facilitatorGateway(
  env: Env,
  context: BackgroundContext,
  region: Region,
): FacilitatorGateway {
  const cache = cacheOf(env, region);
  return new RoutedFacilitators({ facilitators: configOf(env).facilitators, cache, context });
}

/** Whether somebody lists a kind, as this isolate last heard; true as well while it has not heard of everybody. */
export function mayBeListed(env: Env, region: Region, kind: PaymentKind): boolean {
  const cache = cacheOf(env, region);
  return configOf(env).facilitators.some(
    ({ id }) => cache.kinds(id)?.some((listed) => isSameKind(listed, kind)) ?? true,
  );
}

/** The x402 extensions that some facilitator lists, as this isolate last heard. */
export function listedExtensions(env: Env, region: Region): string[] {
  const cache = cacheOf(env, region);
  return configOf(env).facilitators.flatMap(({ id }) => cache.extensions(id));
}

/**
 * Renews an old view of a region's health behind a call that has just begun. It is there, as a rule, when the ledger
 * has granted the call its claim: an isolate that was idle knows at its first call what others saw meanwhile.
 */
export function prepareRouting(env: Env, context: BackgroundContext, region: Region): void {
  cacheOf(env, region).refresh(context);
}

function cacheOf(env: Env, region: Region): HealthCache {
  let edge = edges.get(env);
  if (edge === undefined) {
    edge = { instanceId: crypto.randomUUID(), caches: new Map() };
    edges.set(env, edge);
  }
  let cache = edge.caches.get(region);
  if (cache === undefined) {
    const client = facilitatorHealthOf(env, region);
    cache = new HealthCache({ client, instanceId: edge.instanceId });
    edge.caches.set(region, cache);
  }
  return cache;
}
