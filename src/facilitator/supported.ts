/** A health check: `GET /supported`, timed, and the list of what the facilitator serves. */
import * as z from "zod";
import type { FacilitatorConfig } from "../config.ts";
import { caip2OfV1Name } from "../payment/networks.ts";
import { authHeaders } from "./auth-headers.ts";
import type { HealthSignal } from "./health-signal.ts";
import { type Fetch, type HttpRequest, exchange } from "./http-exchange.ts";
import { endpointUrl } from "./http-facilitator.ts";
import type { ListedKind } from "./payment-kind.ts";

/** Facilitators list every network they know, with `extra`; ours are picked out of it. */
const SUPPORTED_BYTES_MAX = 256 * 1_024;
/** Whoever takes longer to list its kinds is not sent a settlement while another could take it. */
const REACHABLE_MS_MAX = 2_000;
/** Kinds kept: 16 networks, a few schemes, two versions. */
const KINDS_MAX = 64;
/** `extra` holds an address or two. */
const EXTRA_FIELDS_MAX = 8;
const NAMES_MAX = 32;
const NAME_LENGTH_MAX = 128;

/** What a facilitator says it serves, cut down to our networks and to a size that can be stored. */
export interface SupportedList {
  readonly kinds: readonly ListedKind[];
  readonly extensions: readonly string[];
  /** Addresses it settles from, by network or family. */
  readonly signers: Readonly<Record<string, readonly string[]>>;
}

export interface HealthCheck {
  readonly signal: HealthSignal;
  readonly durationMs: number;
  /** Null when the check failed. */
  readonly supported: SupportedList | null;
}

const nameSchema = z.string().max(NAME_LENGTH_MAX);
const scalarSchema = z.union([nameSchema, z.number(), z.boolean()]);
/** Anything nested is dropped: no scheme that is offered needs it. */
const extraSchema = z
  .record(nameSchema, scalarSchema.nullable().catch(null))
  .transform((extra): ListedKind["extra"] =>
    Object.fromEntries(
      Object.entries(extra)
        .flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
        .slice(0, EXTRA_FIELDS_MAX),
    ),
  )
  .catch({});
const namesSchema = z
  .array(z.unknown())
  .transform((names) => names.filter((name) => nameSchema.safeParse(name).success).map(String))
  .transform((names) => names.slice(0, NAMES_MAX));

const supportedSchema = z.object({
  kinds: z.array(
    z
      .object({
        x402Version: z.union([z.literal(1), z.literal(2)]),
        scheme: nameSchema,
        network: nameSchema,
        extra: extraSchema,
      })
      // A kind of a version or shape to come must not cost us the ones we know.
      .nullable()
      .catch(null),
  ),
  extensions: namesSchema.catch([]),
  signers: z.record(nameSchema, namesSchema).catch({}),
});

/** Never throws; whatever goes wrong is the check's signal. */
export async function checkFacilitator(
  config: FacilitatorConfig,
  networks: readonly string[],
  {
    fetch,
    now = Date.now,
  }: { readonly fetch?: Fetch | undefined; readonly now?: () => number } = {},
): Promise<HealthCheck> {
  const startedAtMs = now();
  const reply = await exchange(
    await supportedRequest(config),
    { timeoutMs: config.timeouts.supportedMs, bodyBytesMax: SUPPORTED_BYTES_MAX },
    fetch,
  );
  const durationMs = now() - startedAtMs;
  if (reply.kind === "unanswered") return { signal: reply.failure, durationMs, supported: null };
  if (reply.status !== 200) {
    return { signal: signalOfStatus(reply.status), durationMs, supported: null };
  }
  const supported = parseSupported(reply.body, networks);
  return { signal: supported === null ? "malformed" : "healthy", durationMs, supported };
}

/**
 * Whether a facilitator answers at all. Asked before a settlement when nobody has heard from it lately: a connection
 * that is refused then is known to have carried no payment, which a refused POST never is.
 */
export async function isReachable(
  config: FacilitatorConfig,
  { fetch }: { readonly fetch?: Fetch | undefined } = {},
): Promise<boolean> {
  const reply = await exchange(
    await supportedRequest(config),
    {
      timeoutMs: Math.min(config.timeouts.supportedMs, REACHABLE_MS_MAX),
      bodyBytesMax: SUPPORTED_BYTES_MAX,
    },
    fetch,
  );
  return reply.kind === "answered";
}

async function supportedRequest(config: FacilitatorConfig): Promise<HttpRequest> {
  const target = { method: "GET", url: endpointUrl(config, "supported") } as const;
  return { ...target, headers: await authHeaders(config, target) };
}

/** @param networks CAIP-2 networks to keep */
export function parseSupported(body: unknown, networks: readonly string[]): SupportedList | null {
  const parsed = supportedSchema.safeParse(body);
  if (!parsed.success) return null;
  const { kinds, extensions, signers } = parsed.data;
  return {
    kinds: kinds
      .filter((kind) => kind !== null)
      .map(({ x402Version, scheme, network, extra }) => ({
        x402Version,
        scheme,
        network: caip2OfV1Name(network) ?? network,
        extra,
      }))
      .filter(({ network }) => networks.includes(network))
      .slice(0, KINDS_MAX),
    extensions,
    signers: Object.fromEntries(
      Object.entries(signers).filter(([family]) => isFamilyOf(family, networks)),
    ),
  };
}

/** Signers are listed by network or by pattern: `eip155:84532`, `eip155:*`. */
function isFamilyOf(family: string, networks: readonly string[]): boolean {
  return networks.some(
    (network) => network === family || `${network.split(":", 1)[0] ?? ""}:*` === family,
  );
}

function signalOfStatus(status: number): HealthSignal {
  if (status === 401 || status === 403) return "auth";
  if (status === 429) return "rate_limited";
  return status >= 500 ? "server" : "malformed";
}
