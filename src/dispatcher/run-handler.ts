/** Runs a handler under its tenant's deadline and cap, and keeps of its answer what may go to a payer. */
import type { BufferedResponse } from "../contracts/ledger.ts";
import { SETTLEMENT_OVERRIDES_HEADER } from "../payment/charge.ts";
import { answerExceedance, type Exceedance, reportExceedance } from "../runtime/limit-exceeded.ts";
import { RunMeter } from "../runtime/run-meter.ts";
import { effectiveLimits, type LimitName } from "../tenant/limits.ts";
import type { IdentifiedCall } from "./identified-call.ts";
import { KEPT_HEADERS_LENGTH_MAX, keptHeaders, lengthOf } from "./kept-headers.ts";
import { type PaidRoute, handlerContext, handlerRequest } from "./paid-route.ts";
import { readBody } from "./request-body.ts";
import { withoutBody } from "./edge/without-body.ts";

type NotSold =
  /** Any status other than 2xx: passed through, not charged. */
  | { readonly result: "declined"; readonly response: BufferedResponse }
  | { readonly result: "failed"; readonly reason: string }
  | { readonly result: "too_large"; readonly bytesMax: number };

export interface SoldAnswer {
  readonly result: "sold";
  readonly response: BufferedResponse;
  /** What it says to charge of a maximum (`payment/charge.ts`); null when it says nothing. */
  readonly settlementOverrides: string | null;
}

export type HandlerResult =
  /** A 2xx answer within the cap: this is what is sold. */
  | SoldAnswer
  /** It has no end to wait for, so it can't be stored before it is paid. */
  | { readonly result: "event_stream" }
  | NotSold;

export type StartedHandler =
  /** A 2xx answer whose body is still to come. */
  { readonly result: "started"; readonly response: Response } | NotSold;

/** Measures a run of the handler behind a route. Only scripts have CPU time of their tenant's. */
export function meterOf({ snapshot, route }: PaidRoute): RunMeter {
  const { cpuMs } = effectiveLimits(snapshot, Date.now());
  return new RunMeter(route.handler.kind === "script" ? cpuMs : 0);
}

/** What a handler is run for. */
type HandlerCall = Pick<IdentifiedCall, "env" | "paid" | "request" | "body" | "payment">;

/** Runs the handler and waits for its whole answer. */
export function runHandler(
  call: HandlerCall,
  paymentId: string,
  meter: RunMeter,
): Promise<HandlerResult> {
  return withinDeadline(call, meter, async (signal) => {
    const response = await start(call, paymentId, meter, signal);
    const unfit = unfitness(response, call);
    if (unfit !== null) return await failed(response, unfit);
    if (response.ok && isEventStream(response)) {
      await response.body?.cancel();
      return { result: "event_stream" };
    }
    const buffered = await buffer(call, meter, response);
    const settlementOverrides = response.headers.get(SETTLEMENT_OVERRIDES_HEADER);
    return response.ok && buffered.result === "declined"
      ? { ...buffered, result: "sold", settlementOverrides }
      : buffered;
  });
}

/** Runs the handler and waits for the head of its answer: the deadline is over once it answers 2xx. */
export function startHandler(
  call: HandlerCall,
  paymentId: string,
  meter: RunMeter,
): Promise<StartedHandler> {
  return withinDeadline(call, meter, async (signal) => {
    const response = await start(call, paymentId, meter, signal);
    const unfit = unfitness(response, call);
    if (unfit !== null) return await failed(response, unfit);
    return response.ok ? { result: "started", response } : await buffer(call, meter, response);
  });
}

async function start(
  { paid, request, body, payment }: HandlerCall,
  paymentId: string,
  meter: RunMeter,
  signal: AbortSignal,
): Promise<Response> {
  const response = await paid.handler.run(
    handlerRequest(paid, request, body, signal),
    handlerContext(paid, paymentId, payment.from, meter),
  );
  // A body that nobody can be given would never be written out, and its payer's next call be answered with this one.
  return request.method === "HEAD" ? withoutBody(response) : response;
}

async function buffer(
  { env, paid }: HandlerCall,
  meter: RunMeter,
  response: Response,
): Promise<Extract<NotSold, { result: "declined" | "too_large" }>> {
  const { responseBytesMax } = effectiveLimits(paid.snapshot, Date.now());
  const buffered = await readBody(response.body, responseBytesMax);
  if (paid.route.handler.kind === "origin") {
    meter.addEgressBytes(buffered.ok ? buffered.bytes.byteLength : responseBytesMax);
  }
  if (!buffered.ok) {
    meter.limitExceeded();
    reportExceedance(env.DB, exceedanceOf(paid, "responseBytesMax"));
    return { result: "too_large", bytesMax: responseBytesMax };
  }
  const headers = keptHeaders(response.headers, paid);
  return {
    result: "declined",
    response: { status: response.status, headers, body: buffered.bytes },
  };
}

/** Why an answer can't go to a payer as it is; null when it can. */
function unfitness({ status, headers }: Response, { paid }: HandlerCall): string | null {
  // Its payer's client would take it for ours, and sign again for what may be paid already.
  if (status === 402) return "it answered 402, which is for the platform to say";
  return lengthOf(keptHeaders(headers, paid)) > KEPT_HEADERS_LENGTH_MAX
    ? `its headers have more than ${KEPT_HEADERS_LENGTH_MAX} characters`
    : null;
}

async function failed(
  { body }: Response,
  reason: string,
): Promise<Extract<NotSold, { result: "failed" }>> {
  await body?.cancel();
  return { result: "failed", reason };
}

function isEventStream({ headers }: Response): boolean {
  return headers.get("Content-Type")?.toLowerCase().startsWith("text/event-stream") === true;
}

/** Whatever a handler does, its call ends, and the caller learns no more than that. */
async function withinDeadline<Result>(
  { env, paid }: HandlerCall,
  meter: RunMeter,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | Extract<NotSold, { result: "declined" | "failed" }>> {
  const { handlerDeadlineMs } = effectiveLimits(paid.snapshot, Date.now());
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      meter.limitExceeded();
      const error = new Error(`no answer within ${handlerDeadlineMs} ms`);
      abort.abort(error);
      reject(error);
    }, handlerDeadlineMs);
  });
  meter.start(Date.now());
  try {
    return await Promise.race([run(abort.signal), expired]);
  } catch (error) {
    if (abort.signal.aborted) {
      const exceedance = exceedanceOf(paid, "handlerDeadlineMs");
      const response = answerExceedance(env.DB, exceedance, "time");
      return { result: "declined", response: await bufferedProblem(response, paid) };
    }
    console.error(
      JSON.stringify({
        event: "handler_failed",
        tenantId: paid.snapshot.tenantId,
        route: paid.route.path,
        error: error instanceof Error ? error.message : String(error),
      }),
    );
    return { result: "failed", reason: "the handler threw" };
  } finally {
    clearTimeout(timer);
    meter.end(Date.now());
  }
}

function exceedanceOf({ snapshot, route }: PaidRoute, limit: LimitName): Exceedance {
  return { tenantId: snapshot.tenantId, route: route.path, limit };
}

async function bufferedProblem(response: Response, paid: PaidRoute): Promise<BufferedResponse> {
  const body = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: keptHeaders(response.headers, paid), body };
}
