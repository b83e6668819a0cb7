import type { Route } from "../contracts/snapshot.ts";
import { datasetHandler } from "../runtime/dataset.ts";
import type { Handler } from "../runtime/handler.ts";

/** The handler of a route, by the kind of its definition. */
export function handlerOf(env: Pick<Env, "DATASET_STORE">, route: Route): Handler {
  return datasetHandler(env.DATASET_STORE, route.handler);
}
