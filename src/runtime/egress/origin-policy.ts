/** Where an origin route may lead: the tenant named the one host, so what is left to decide is that it is public. */
import { decideEgress, type EgressDenial } from "./policy.ts";
import { platformHostsOf, type PlatformHostsSource } from "./platform-hosts.ts";

export interface OriginTerms {
  readonly platformHosts: readonly string[];
  /** Whether `http://127.0.0.1:{port}` is an origin too: what a developer runs beside the embedded platform. */
  readonly allowsLoopback: boolean;
}

export interface OriginTermsSource extends PlatformHostsSource {
  readonly ENVIRONMENT: string;
  /** `allowed` or nothing; read in the local environment only. */
  readonly LOOPBACK_ORIGINS?: string;
}

export function originTermsOf(source: OriginTermsSource): OriginTerms {
  return {
    platformHosts: platformHostsOf(source),
    allowsLoopback: source.ENVIRONMENT === "local" && source.LOOPBACK_ORIGINS === "allowed",
  };
}

/** @returns why this may not be an origin; null when it may */
export function originFault(origin: URL, terms: OriginTerms): EgressDenial | null {
  const isLoopback = origin.protocol === "http:" && origin.hostname === "127.0.0.1";
  if (isLoopback && terms.allowsLoopback) return null;
  const decision = decideEgress(origin.href, {
    allowedHosts: [origin.host],
    platformHosts: terms.platformHosts,
  });
  return decision.verdict === "allowed" ? null : decision.reason;
}
