/** The way out for tenants' code where it runs on the Worker Loader: `globalOutbound: ctx.exports.Egress({ props })`. */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { TenantUse } from "../../tenant/directory/egress-uses.ts";
import { type DenialCount, DenialLog } from "./denials.ts";
import { internetOf, type InternetSource } from "./internet.ts";
import { platformHostsOf, type PlatformHostsSource } from "./platform-hosts.ts";
import { egressPropsSchema, type EgressProps } from "./props.ts";
import { serveEgress } from "./serve-egress.ts";
import { UseLog } from "./use-log.ts";
import { UsageMeter } from "./usage-meter.ts";

export interface EgressEnv extends PlatformHostsSource, InternetSource {
  /** Where denials and use are counted; without it they wait for `takeDenials` and `takeUses`. */
  readonly DB?: D1Database;
}

/** One per isolate, shared by all its invocations. */
const meter = new UsageMeter();
const denials = new DenialLog();
const uses = new UseLog();

/** What this isolate counted, where there is no D1 to write it to. */
export function takeDenials(): DenialCount[] {
  return denials.take();
}

/** What this isolate let pass, for the tenants' ledgers. */
export function takeUses(): TenantUse[] {
  return uses.take();
}

/** Has no `connect`, which makes the runtime refuse TCP sockets of the code behind it. */
export class Egress extends WorkerEntrypoint<EgressEnv, EgressProps> {
  override fetch(request: Request): Promise<Response> {
    return egressFetch(request, egressPropsSchema.parse(this.ctx.props), this.env, this.ctx);
  }
}

/** Serves one subrequest with the isolate's meter and log. */
export function egressFetch(
  request: Request,
  props: EgressProps,
  env: EgressEnv,
  context: Pick<ExecutionContext, "waitUntil">,
): Promise<Response> {
  const nowMs = Date.now();
  const { tenantId } = props;
  const sink = { db: env.DB, waitUntil: (work: Promise<unknown>) => context.waitUntil(work) };
  return serveEgress(request, props, {
    internet: internetOf(env),
    platformHosts: platformHostsOf(env),
    meter,
    nowMs,
    onUsed: (use) => uses.add(tenantId, use, sink),
    onDenied: (reason, host) => denials.add({ tenantId, reason, host, atMs: nowMs }, sink),
  });
}
