/** What a manifest is refused for where it names places outside: origins, their secrets, hosts for its scripts. */
import type { Manifest, ManifestRoute } from "../../contracts/manifest.ts";
import type { EgressDenial } from "./policy.ts";
import { originFault, type OriginTerms } from "./origin-policy.ts";

export interface ConnectionTerms extends OriginTerms {
  /** Secrets that the tenant has set. */
  readonly secretNames: ReadonlySet<string>;
  /** Entries that its plan allows in `egress`. */
  readonly egressHostsMax: number;
}

export interface ConnectionFault {
  readonly code: "invalid_request";
  /** Path within the manifest. */
  readonly field: string;
  readonly message: string;
}

export function connectionFaults(manifest: Manifest, terms: ConnectionTerms): ConnectionFault[] {
  const faults = manifest.routes.flatMap((route, index) =>
    routeFaults(`routes[${index}]`, route, terms),
  );
  if (manifest.egress.length <= terms.egressHostsMax) return faults;
  const message =
    terms.egressHostsMax === 0
      ? "must be empty on this plan, whose scripts reach no other host"
      : `must have at most ${terms.egressHostsMax} hosts on this plan`;
  return [...faults, { code: "invalid_request", field: "egress", message }];
}

function routeFaults(
  field: string,
  { origin, originAuth }: ManifestRoute,
  terms: ConnectionTerms,
): ConnectionFault[] {
  const faults: ConnectionFault[] = [];
  const refuse = (member: string, message: string) =>
    faults.push({ code: "invalid_request", field: `${field}.${member}`, message });
  const denial = origin === undefined ? null : originFault(new URL(origin), terms);
  if (denial !== null) refuse("origin", describe(denial));
  if (originAuth !== undefined && !terms.secretNames.has(originAuth.secret)) {
    refuse("originAuth.secret", `is not set: send PUT /v1/secrets/${originAuth.secret} first`);
  }
  return faults;
}

function describe(denial: EgressDenial): string {
  switch (denial) {
    case "not_https":
      return "must be an https URL";
    case "platform_host":
      return "must not be a host of the platform";
    case "address_literal":
      return "must have a name, not an address";
    default:
      return "must be a public host";
  }
}
