/** Runs a handler under the plan's deadline and cap, and keeps of its answer what may go to a payer. */
import type { StoredHeader, StoredResponse } from "../contracts/ledger.ts";
import { PLANS } from "../tenant/plans.ts";
import { type PaidRoute, handlerContext, handlerRequest } from "./paid-route.ts";
import { readBody } from "./request-body.ts";

export type HandlerResult =
  /** A 2xx answer within the cap: this is what is sold. */
  | { readonly result: "sold"; readonly response: StoredResponse }
  /** Any other status: passed through, not charged. */
  | { readonly result: "declined"; readonly response: StoredResponse }
  | { readonly result: "failed"; readonly reason: string }
  | { readonly result: "too_large"; readonly bytesMax: number };

/** Ours to set, or meaningless beyond one connection (RFC 9110 section 7.6.1). */
const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  "payment-required",
  "payment-signature",
  "payment-response",
  "x-payment",
  "x-payment-response",
  "payment-status",
  "idempotent-replayed",
  "settlement-overrides",
  "cache-control",
  "set-cookie",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
]);

export async function runHandler(
  paid: PaidRoute,
  request: Request,
  body: Uint8Array<ArrayBuffer>,
  paymentId: string,
  payer: string,
): Promise<HandlerResult> {
  const { responseBytesMax, handlerDeadlineMs } = PLANS[paid.snapshot.plan];
  try {
    return await withDeadline(handlerDeadlineMs, async () => {
      const response = await paid.handler.run(
        handlerRequest(paid, request, body),
        handlerContext(paid, paymentId, payer),
      );
      const buffered = await readBody(response.body, responseBytesMax);
      if (!buffered.ok) return { result: "too_large", bytesMax: responseBytesMax };
      const stored: StoredResponse = {
        status: response.status,
        headers: keptHeaders(response.headers),
        body: buffered.bytes,
      };
      return { result: response.ok ? "sold" : "declined", response: stored };
    });
  } catch (error) {
    console.error(
      JSON.stringify({
        event: "handler_failed",
        tenantId: paid.snapshot.tenantId,
        route: paid.route.path,
        error: error instanceof Error ? error.message : String(error),
      }),
    );
    return { result: "failed", reason: "the handler threw or did not answer in time" };
  }
}

async function withDeadline<Result>(
  deadlineMs: number,
  run: () => Promise<Result>,
): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${deadlineMs} ms`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([run(), expired]);
  } finally {
    clearTimeout(timer);
  }
}

function keptHeaders(headers: Headers): StoredHeader[] {
  return [...headers]
    .filter(([name]) => !DROPPED_HEADERS.has(name.toLowerCase()))
    .map(([name, value]) => ({ name, value }));
}
