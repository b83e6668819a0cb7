import type { Route } from "../contracts/snapshot.ts";
import { datasetHandler } from "../runtime/dataset.ts";
import type { Handler } from "../runtime/handler.ts";
import { type OriginHandlerEnv, originHandler } from "../runtime/origin.ts";
import { type ScriptHandlerEnv, scriptHandler } from "../runtime/script/script-handler.ts";

/** Makes the handlers that the dispatcher sells; tests and measurements may bring their own. */
export type Handlers = (env: Env, route: Route) => Handler;

/** The handler of a route, by the kind of its definition. */
export function handlerOf(
  env: Pick<Env, "DATASET_STORE"> & ScriptHandlerEnv & OriginHandlerEnv,
  { handler }: Route,
): Handler {
  switch (handler.kind) {
    case "dataset":
      return datasetHandler(env.DATASET_STORE, handler);
    case "script":
      return scriptHandler(env, handler);
    case "origin":
      return originHandler(env, handler);
    default:
      return handler satisfies never;
  }
}
