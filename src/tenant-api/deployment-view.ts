import type { NetworkConfig } from "../config.ts";
import type { PaymentOption, Route } from "../contracts/snapshot.ts";
import type { DeploymentResponse } from "../contracts/tenant-api.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { feeOf } from "../tenant/plans.ts";
import { OPTION_DECIMALS } from "../tenant/price-options.ts";
import { atomicToPrice } from "../tenant/price.ts";

/** What a tenant is told about a deployment: where each route is sold, for how much, and what is left of it. */
export function deploymentView(
  deployment: {
    readonly deploymentId: string;
    readonly version: number;
    readonly routes: readonly Route[];
  },
  seller: {
    readonly tenant: TenantRecord;
    readonly asset: NetworkConfig["asset"];
    /** Of the request: the API is sold on the host the tenant talks to. */
    readonly origin: string;
  },
): DeploymentResponse {
  const { tenant, asset, origin } = seller;
  return {
    deploymentId: deployment.deploymentId,
    version: deployment.version,
    routes: deployment.routes.map((route) => {
      const priceAtomic = BigInt(route.priceAtomic);
      const fee = feeOf(tenant, priceAtomic);
      return {
        url: `${origin}/t/${tenant.tenantId}${toUriTemplate(route.path)}`,
        methods: route.methods,
        price: atomicToPrice(priceAtomic, route.options ? OPTION_DECIMALS : asset.decimals),
        priceAtomic: route.priceAtomic,
        ...(route.options === undefined ? {} : { options: route.options.map(optionView) }),
        feeAtomic: fee.toString(),
        netAtomic: (priceAtomic - fee).toString(),
      };
    }),
  };
}

function optionView({ network, asset, amountAtomic }: PaymentOption) {
  return { network, asset, priceAtomic: amountAtomic };
}

/** `/cities/:key` as `/cities/{key}` (RFC 6570). */
function toUriTemplate(path: string): string {
  return path.replaceAll(/:([a-z]+)/g, "{$1}");
}
