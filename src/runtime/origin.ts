/**
 * Sells an existing HTTP API: the caller's method, query and body go to the deployed URL, and its answer is what is
 * paid for. What passes in either direction is listed; everything else stays here (docs/egress.md).
 */
import type { SealedSecret } from "../contracts/secrets.ts";
import type { OriginHandlerDefinition } from "../contracts/snapshot.ts";
import { platformKeysOf, type PlatformKeysSource } from "../tenant/secrets/platform-keys.ts";
import { openSecret } from "../tenant/secrets/seal.ts";
import { internetOf, type InternetSource, runtimeNetwork } from "./egress/internet.ts";
import { originFault, originTermsOf, type OriginTermsSource } from "./egress/origin-policy.ts";
import type { Handler, HandlerContext } from "./handler.ts";
import { withoutEcho } from "./secret-echo.ts";

/** What the origin needs to know about the caller's request. */
const REQUEST_HEADERS = ["accept", "accept-language", "content-type", "user-agent"] as const;

/** What the caller needs to know about the answer. `Settlement-Overrides` is for the platform, which drops it. */
const RESPONSE_HEADERS = [
  "content-disposition",
  "content-language",
  "content-type",
  "etag",
  "last-modified",
  "link",
  "retry-after",
  "settlement-overrides",
  "x-total-count",
] as const;

/** A trailing slash, a canonical spelling: more hops than that within one host lead nowhere. */
const REDIRECTS_MAX = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface OriginHandlerEnv extends OriginTermsSource, PlatformKeysSource, InternetSource {}

export function originHandler(
  env: OriginHandlerEnv,
  { url, auth }: OriginHandlerDefinition,
): Handler {
  return {
    /** @throws when the origin may not be asked, its secret is missing, or it does not answer: nothing is charged */
    async run(request, context) {
      const target = new URL(url);
      const fault = originFault(target, originTermsOf(env));
      if (fault !== null) throw new Error(`the origin ${target.host} is refused: ${fault}`);
      target.search = new URL(request.url).search;
      const headers = requestHeaders(request, context);
      const credential = auth === null ? null : await readCredential(env, auth.secret, context);
      if (auth !== null && credential !== null) headers.set(auth.header, credential);
      // Only an origin on this machine has no TLS, and only the runtime's own network leads there.
      const network = target.protocol === "https:" ? internetOf(env) : runtimeNetwork;
      const body = request.body === null ? null : await request.arrayBuffer();
      context.meter.addEgressBytes(body?.byteLength ?? 0);
      const response = await fetchWithinOrigin(network, target, {
        method: request.method,
        headers,
        body,
        redirect: "manual",
        signal: request.signal,
      });
      const answer = new Response(response.body, {
        status: response.status,
        headers: pick(response.headers, RESPONSE_HEADERS),
      });
      return credential === null ? answer : withoutEcho(answer, credential);
    },
  };
}

/** Follows redirects of a read that stay on the scheme, host and port that were deployed; hands back all others. */
async function fetchWithinOrigin(
  network: Pick<Fetcher, "fetch">,
  target: URL,
  init: RequestInit,
): Promise<Response> {
  const isRead = init.method === "GET" || init.method === "HEAD";
  let url = target;
  for (let redirects = 0; ; redirects += 1) {
    const response = await network.fetch(url.href, init);
    const location = response.headers.get("Location");
    if (!isRead || location === null || !REDIRECTS.has(response.status)) return response;
    const next = URL.parse(location, url.href);
    if (next === null || next.origin !== target.origin || redirects >= REDIRECTS_MAX) {
      return response;
    }
    await response.body?.cancel();
    url = next;
  }
}

function requestHeaders(request: Request, context: HandlerContext): Headers {
  const headers = pick(request.headers, REQUEST_HEADERS);
  headers.set("Payment-Id", context.paymentId);
  headers.set("Payment-Payer", context.payer);
  headers.set("Idempotency-Key", context.idempotencyKey);
  return headers;
}

async function readCredential(
  env: PlatformKeysSource,
  name: string,
  { tenantId, secrets }: HandlerContext,
): Promise<string> {
  const sealed: SealedSecret | undefined = secrets[name];
  if (sealed === undefined) throw new Error(`the secret ${name} is not set`);
  const opened = await openSecret(platformKeysOf(env), { tenantId, name }, sealed);
  if (!opened.ok) throw new Error(`the secret ${name} can't be opened: ${opened.reason}`);
  return opened.value;
}

function pick(headers: Headers, names: readonly string[]): Headers {
  const picked = new Headers();
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) picked.set(name, value);
  }
  return picked;
}
