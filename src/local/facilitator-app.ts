/** The HTTP face of a local facilitator: the protocol's routes, each behind a fault switch, and the switchboard. */
import { randomBytes } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { isPaymentPayload, isPaymentRequirements } from "@x402/core/schemas";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { Hono } from "hono";
import type { Context } from "hono";
import * as z from "zod";
import { publicPartOf } from "./call-log.ts";
import type { CallLog } from "./call-log.ts";
import { faultInjectionSchema } from "./facilitator-control.ts";
import type { FacilitatorStats } from "./facilitator-control.ts";
import { NO_FAULTS, injectFault, nextFault } from "./faults.ts";
import type { ActiveFault, Operation } from "./faults.ts";
import type { HeldCalls } from "./held-calls.ts";
import type { PaymentCall, ReferenceFacilitator } from "./reference-facilitator.ts";

/** A verify or settle request of the exact scheme is about 2 KiB; extensions may add to it. */
const BODY_CHARACTERS_MAX = 64 * 1024;
/** Longer than the 90 seconds that the reference client waits, so that it is always the client that gives up. */
const HANG_MAX_MS = 120_000;
const RETRY_AFTER_SECONDS = 1;

const EDGE_ERROR_PAGE =
  "<html><head><title>503 Service Temporarily Unavailable</title></head>" +
  "<body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>\n";
const BROKEN_JSON = '{"isValid":true,"success":true,"transac';

/** The reference packages pass v1 objects under the types of v2, and tell them apart by `x402Version`. */
const paymentCallSchema = z.object({
  paymentPayload: z.custom<PaymentPayload>(isPaymentPayload, "is no payment payload"),
  paymentRequirements: z.custom<PaymentRequirements>(
    isPaymentRequirements,
    "are no payment requirements",
  ),
});

type FacilitatorContext = Context<{ Bindings: HttpBindings }>;

/** Does what was asked for on the chain. `awaitReceipt` matters to settlements only. */
type Perform = (awaitReceipt: boolean) => Promise<object>;

export interface FacilitatorAppOptions {
  readonly id: string;
  readonly reference: ReferenceFacilitator;
  readonly log: CallLog;
  readonly held: HeldCalls;
}

export function facilitatorApp({ id, reference, log, held }: FacilitatorAppOptions) {
  let plan = NO_FAULTS;

  const stats = (): FacilitatorStats => ({
    id,
    address: reference.address,
    faults: plan,
    held: held.count,
    ...log.summary(),
  });

  const serve = async (
    context: FacilitatorContext,
    operation: Operation,
    prepare: () => Promise<{ body: unknown; perform: Perform }>,
  ): Promise<Response> => {
    const next = nextFault(plan, operation);
    plan = next.plan;
    const call = log.received(operation, next.fault?.fault ?? "ok", Date.now());
    if (next.fault?.fault === "refuse") return dropConnection(context);
    try {
      // Before any waiting: the caller may be gone by the time a held call goes on.
      const { body, perform } = await prepare();
      call.payment = publicPartOf(body);
      const performLogged: Perform = (awaitReceipt) => {
        log.performed(operation);
        return perform(awaitReceipt);
      };
      const response = await answer(context, next.fault, performLogged, held, body);
      if (response === null) return dropConnection(context);
      call.status = response.status;
      return response;
    } catch (error) {
      const response = errorResponse(context, error);
      call.status = response.status;
      return response;
    }
  };

  const servePayment = (
    context: FacilitatorContext,
    operation: Operation,
    perform: (call: PaymentCall, awaitReceipt: boolean) => Promise<object>,
  ): Promise<Response> =>
    serve(context, operation, async () => {
      const body = paymentCallSchema.parse(await readJson(context));
      return { body, perform: (awaitReceipt) => perform(body, awaitReceipt) };
    });

  return new Hono<{ Bindings: HttpBindings }>()
    .onError((error, context) => errorResponse(context, error))
    .get("/healthz", (context) => context.json({ id }))
    .get("/supported", (context) =>
      serve(context, "supported", () =>
        Promise.resolve({ body: null, perform: () => Promise.resolve(reference.supported()) }),
      ),
    )
    .post("/verify", (context) => servePayment(context, "verify", (call) => reference.verify(call)))
    .post("/settle", (context) =>
      servePayment(context, "settle", (call, awaitReceipt) => reference.settle(call, awaitReceipt)),
    )
    .get("/control", (context) => context.json(stats()))
    .post("/control/faults", async (context) => {
      plan = injectFault(plan, faultInjectionSchema.parse(await readJson(context)));
      return context.json(stats());
    })
    .delete("/control/faults", (context) => {
      plan = NO_FAULTS;
      return context.json(stats());
    })
    .post("/control/release", (context) => context.json({ released: held.endAll("released") }));
}

/** What a caller who meets the fault gets; null: no answer, ever. */
async function answer(
  context: FacilitatorContext,
  active: ActiveFault | null,
  perform: Perform,
  held: HeldCalls,
  body: unknown,
): Promise<Response | null> {
  if (active === null) return context.json(await perform(true));
  switch (active.fault) {
    case "refuse":
      return null;
    case "500":
      return context.json({ error: "internal server error" }, 500);
    case "503-html":
      return context.html(EDGE_ERROR_PAGE, 503);
    case "429":
      context.header("retry-after", String(RETRY_AFTER_SECONDS));
      return context.json({ error: "too many requests" }, 429);
    case "bad-json":
      return context.body(BROKEN_JSON, 200, { "content-type": "application/json" });
    case "slow":
      if ((await held.hold(active.delayMs)) === "stopped") return null;
      return context.json(await perform(true));
    case "hang":
      if ((await held.hold(HANG_MAX_MS)) !== "released") return null;
      return context.json(await perform(true));
    case "settle-then-lost":
      await perform(true);
      return context.text("Bad Gateway", 502);
    case "settle-then-hang": {
      const settled = await perform(true);
      return (await held.hold(HANG_MAX_MS)) === "released" ? context.json(settled) : null;
    }
    case "pending":
      return context.json(await perform(false));
    case "lie":
      return context.json(pretendedSettlement(body));
    default:
      return active.fault satisfies never;
  }
}

/** A settle reply as it should be, but for the transaction. */
function pretendedSettlement(body: unknown): object {
  const { network } = paymentCallSchema.parse(body).paymentRequirements;
  const transaction = `0x${randomBytes(32).toString("hex")}`;
  return { success: true, transaction, network, payer: publicPartOf(body)?.payer };
}

/** The closest to a refused connection that is left once the connection was accepted. */
function dropConnection(context: FacilitatorContext): Response {
  context.env.incoming.socket.destroy();
  return RESPONSE_ALREADY_SENT;
}

/** A request that does not parse is the caller's fault; everything else is taken for an outage, as it mostly is. */
function errorResponse(context: FacilitatorContext, error: unknown): Response {
  if (error instanceof z.ZodError) return context.json({ error: z.prettifyError(error) }, 400);
  if (error instanceof BodyTooLargeError) return context.json({ error: "body too large" }, 413);
  return context.json({ error: error instanceof Error ? error.message : String(error) }, 500);
}

/** @throws BodyTooLargeError; what is no JSON is undefined, which no schema takes. */
async function readJson({ env }: FacilitatorContext): Promise<unknown> {
  let text = "";
  env.incoming.setEncoding("utf8");
  for await (const chunk of env.incoming) {
    text += String(chunk);
    if (text.length > BODY_CHARACTERS_MAX) throw new BodyTooLargeError();
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}
