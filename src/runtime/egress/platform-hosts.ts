/** The variables that name the platform's own domains. */
export interface PlatformHostsSource {
  readonly BASE_DOMAIN: string;
  /** Further ones, between spaces: the account's workers.dev subdomain, a host of the dashboard's own. */
  readonly PLATFORM_HOSTS: string;
}

/** Domains that neither tenants' code nor their origin routes may reach, each with all that is below it. */
export function platformHostsOf(source: PlatformHostsSource): string[] {
  return [source.BASE_DOMAIN, ...source.PLATFORM_HOSTS.split(" ")].filter((host) => host !== "");
}
