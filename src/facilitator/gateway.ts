import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import { configOf } from "../config.ts";
import { type BackgroundContext, HealthCache } from "./health-cache.ts";
import type { FacilitatorGateway } from "./port.ts";
import { RoutedFacilitators } from "./routed-facilitators.ts";

const caches = new WeakMap<object, HealthCache>();

/** The gateway of this environment; its view of health is shared by the whole isolate. */
export function facilitatorGateway(env: Env, context: BackgroundContext): FacilitatorGateway {
  let cache = caches.get(env);
  if (cache === undefined) {
    cache = new HealthCache({
      client: facilitatorHealthOf(env),
      instanceId: crypto.randomUUID(),
    });
    caches.set(env, cache);
  }
  return new RoutedFacilitators({ facilitators: configOf(env).facilitators, cache, context });
}
