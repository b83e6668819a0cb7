/**
 * The way out for tenants' code on Workers for Platforms: the outbound Worker of the dispatch namespace, deployed by
 * itself (`wrangler.toml` beside this file). The dispatcher passes the properties as the parameter `egress`.
 */
import { type EgressEnv, egressFetch } from "./egress.ts";
import { egressPropsSchema } from "./props.ts";

interface OutboundEnv extends EgressEnv {
  /** `EgressProps`, as the dispatcher passed them with `get(…, { outbound: { egress } })`. */
  readonly egress?: unknown;
}

export default {
  async fetch(request, env, context) {
    // Throws without properties: code that nobody vouches for reaches nothing.
    return egressFetch(request, egressPropsSchema.parse(env.egress), env, context);
  },
} satisfies ExportedHandler<OutboundEnv>;
