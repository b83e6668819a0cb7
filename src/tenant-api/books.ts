import { type NetworkConfig, configOf, findAsset } from "../config.ts";
import type { AssetConfig } from "../payment/default-assets.ts";
import { EVM_NAMESPACE, canonicalSpelling, namespaceOf } from "../payment/networks.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { networkOf } from "./network.ts";
import { refuse } from "./request.ts";

/** The books of one token, which tenants are paid in on one network. */
export interface Books {
  readonly network: NetworkConfig;
  readonly asset: AssetConfig;
  /** Whether payments go to an address of the tenant's own: on Solana all of them do. */
  readonly isDirect: boolean;
}

export type NamedBooks =
  | { readonly ok: true; readonly books: Books }
  | { readonly ok: false; readonly response: Response };

/** What is left out is the tenant's network, and a network's first token. */
export function booksOf(
  env: Env,
  tenant: TenantRecord,
  named: { readonly network?: string | undefined; readonly asset?: string | undefined },
): NamedBooks {
  const network =
    named.network === undefined
      ? networkOf(env, tenant)
      : configOf(env).networks.find(({ caip2 }) => caip2 === named.network);
  if (network === undefined) return refused("network", "is not served here");
  const address = canonicalSpelling(network.caip2, named.asset ?? network.asset.address);
  const asset = findAsset(network, address);
  if (asset === null)
    return refused("asset", `is not one of the tokens served on ${network.caip2}`);
  const isDirect = tenant.collection === "direct" || namespaceOf(network.caip2) !== EVM_NAMESPACE;
  return { ok: true, books: { network, asset, isDirect } };
}

function refused(field: string, message: string): NamedBooks {
  return { ok: false, response: refuse("invalid_request", [{ field, message }]) };
}
