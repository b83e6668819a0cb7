/**
 * Serves the `fetch` of a tenant's code: admitted by the policy, counted, and stripped of what is the platform's.
 * Redirects are handed back as they are: the runtime follows them by asking here again, so that every hop is decided
 * and counted like a first request.
 */
import type { EgressUse } from "../../contracts/ledger.ts";
import { problem } from "../../payment/problems/problem.ts";
import type { EgressRefusal } from "./denials.ts";
import { decideEgress } from "./policy.ts";
import type { EgressProps } from "./props.ts";
import type { UsageMeter } from "./usage-meter.ts";

/** Names the invocation a subrequest belongs to; set by the wrapper around a tenant's code. */
export const INVOCATION_HEADER = "Claw-Invocation";

/** With the answer that a limit makes: `fetch` throws it where the platform has wrapped a tenant's code. */
export const LIMIT_HEADER = "Claw-Limit";

/** Longer than the longest handler deadline: the caller's own limit is what ends a slow call. */
const SUBREQUEST_TIMEOUT_MS = 60_000;

/** Who asks is the platform's to say, and these are how networks say it; the others end with a connection. */
const DROPPED_REQUEST_HEADERS =
  /^(?:claw-.*|cf-.*|x-forwarded-.*|x-real-ip|true-client-ip|forwarded|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length)$/;

/** The runtime has decoded the body already, whose length is no longer the announced one. */
const DROPPED_RESPONSE_HEADERS =
  /^(?:claw-.*|connection|keep-alive|transfer-encoding|upgrade|content-length|content-encoding)$/;

export interface EgressWorld {
  readonly internet: Pick<Fetcher, "fetch">;
  readonly platformHosts: readonly string[];
  readonly meter: UsageMeter;
  readonly nowMs: number;
  /** Counts what passes, and every request, those that are refused too. */
  onUsed(use: Partial<EgressUse>): void;
  /** Logs and counts. @param host null when it could not be read */
  onDenied(reason: EgressRefusal, host: string | null): void;
}

/** @returns the answer from outside, or 403 `egress_denied` or 429 `tenant_limit_exceeded` with a `reason` */
export async function serveEgress(
  request: Request,
  props: EgressProps,
  world: EgressWorld,
): Promise<Response> {
  const host = URL.parse(request.url)?.host ?? null;
  const deny = (reason: EgressRefusal): Response => {
    world.onDenied(reason, host);
    return refusal(reason, host);
  };
  world.onUsed({ subrequests: 1 });
  // Counted before it is decided: asking for forbidden places is not free of limits either.
  const allowance = world.meter.admit(props, request.headers.get(INVOCATION_HEADER), world.nowMs);
  if (allowance === null) return deny("subrequests_exceeded");
  const { allowedHosts } = props;
  const { platformHosts } = world;
  const decision = decideEgress(request.url, { allowedHosts, platformHosts });
  if (decision.verdict === "denied") return deny(decision.reason);
  if (request.headers.has("Upgrade")) return deny("upgrade_not_allowed");
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > allowance.bytesLeft) return deny("bytes_exceeded");
  const taken: MeteredAllowance = {
    takeBytes: (bytes) => {
      world.onUsed({ egressBytes: bytes });
      return allowance.takeBytes(bytes);
    },
    onExceeded: () => world.onDenied("bytes_exceeded", host),
  };
  const response = await world.internet.fetch(decision.url.href, {
    method: request.method,
    headers: keptHeaders(request.headers, DROPPED_REQUEST_HEADERS),
    body: request.body === null ? null : metered(request.body, taken),
    redirect: "manual",
    signal: AbortSignal.any([request.signal, AbortSignal.timeout(SUBREQUEST_TIMEOUT_MS)]),
  });
  const body = response.body === null ? null : metered(response.body, taken);
  return new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: keptHeaders(response.headers, DROPPED_RESPONSE_HEADERS),
  });
}

interface MeteredAllowance {
  /** @returns whether they still may pass */
  readonly takeBytes: (bytes: number) => boolean;
  readonly onExceeded: () => void;
}

/** Ends a body with an error where the invocation's bytes end: what passed until then is no whole body. */
function metered(
  body: ReadableStream<Uint8Array>,
  { takeBytes, onExceeded }: MeteredAllowance,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await reader.read();
      if (chunk.done) {
        controller.close();
      } else if (takeBytes(chunk.value.byteLength)) {
        controller.enqueue(chunk.value);
      } else {
        onExceeded();
        await reader.cancel();
        controller.error(new Error("Too many bytes of subrequests."));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function keptHeaders(headers: Headers, dropped: RegExp): Headers {
  const kept = new Headers();
  for (const [name, value] of headers) {
    if (!dropped.test(name)) kept.append(name, value);
  }
  return kept;
}

function refusal(reason: EgressRefusal, host: string | null): Response {
  switch (reason) {
    case "subrequests_exceeded":
      return problem("tenant_limit_exceeded", {
        detail: "This invocation made as many requests as its plan allows.",
        headers: { [LIMIT_HEADER]: "Too many subrequests." },
        extra: { reason },
      });
    case "bytes_exceeded":
      return problem("tenant_limit_exceeded", {
        detail: "This invocation moved as many bytes as its plan allows.",
        headers: { [LIMIT_HEADER]: "Too many bytes of subrequests." },
        extra: { reason },
      });
    default:
      return problem("egress_denied", {
        detail: `The egress policy does not let this code reach ${host ?? "this URL"}.`,
        extra: { reason },
      });
  }
}
