import type { Route } from "../contracts/snapshot.ts";
import type { SealedSecret } from "../contracts/secrets.ts";
import type { Limits } from "../tenant/limits.ts";
import type { RunMeter } from "./run-meter.ts";
import type { TenantId } from "../tenant/tenant-id.ts";

/** What a handler learns about the call besides the request; payment headers never reach it. */
export interface HandlerContext {
  readonly tenantId: TenantId;
  readonly limits: Limits;
  readonly route: Route;
  /** Values of the route's `:name` segments. */
  readonly params: Readonly<Record<string, string>>;
  readonly paymentId: string;
  /** Address that pays, lower-case hex. */
  readonly payer: string;
  /** Ours, stable over retries of one payment; never the client's, which is a replay secret. */
  readonly idempotencyKey: string;
  /** Of the tenant, by name, encrypted: a handler opens the ones it needs. */
  readonly secrets: Readonly<Record<string, SealedSecret>>;
  /** Is told what only the handler knows about its run. */
  readonly meter: RunMeter;
}

/** The parameter that is malformed, and what was expected of it, with an example. */
export type ParameterCheck =
  | { readonly ok: true }
  | { readonly ok: false; readonly parameter: string; readonly message: string };

/**
 * What a route sells. A status of 2xx is charged; anything else, and a throw, is not. The request has the
 * canonical URL below the tenant (`https://tenant/cities?limit=5`) and no payment headers; its signal is aborted when
 * the answer is not wanted any more.
 */
export interface Handler {
  /** Whether the request could be run at all, as far as its parameters tell: asked before anyone pays. */
  check?(request: Request, context: Pick<HandlerContext, "route" | "params">): ParameterCheck;
  run(request: Request, context: HandlerContext): Promise<Response>;
}
