import { configOf, type ConfigSource, type NetworkConfig, type PlatformConfig } from "../config.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";

/**
 * The network a tenant sells on.
 *
 * @throws when the operator removed it from the configuration while tenants still use it
 */
export function networkOf(source: ConfigSource, tenant: TenantRecord): NetworkConfig {
  const network = configOf(source).networks.find(({ caip2 }) => caip2 === tenant.network);
  if (network === undefined) {
    throw new Error(`NETWORKS has no ${tenant.network}, on which ${tenant.tenantId} sells`);
  }
  return network;
}

/** The network that new tenants sell on: the first that is configured. */
export function networkOfNewTenants({ networks }: Pick<PlatformConfig, "networks">): NetworkConfig {
  const [network] = networks;
  if (network === undefined) throw new Error("the configuration has at least one network");
  return network;
}
