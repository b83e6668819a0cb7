/** Sells what a tenant's own code answers. It gets the request without any payment header, and who paid for it. */
import type { ScriptHandlerDefinition } from "../../contracts/snapshot.ts";
import type { Handler, HandlerContext } from "../handler.ts";
import { answerExceedance } from "../limit-exceeded.ts";
import { type ScriptBindings, scriptRuntimeOf } from "./script-runtime-of.ts";
import { dispatchKey, type ScriptInvocation, type ScriptLimit } from "./script-runtime.ts";

export interface ScriptHandlerEnv extends ScriptBindings {
  readonly ENVIRONMENT: string;
  readonly DB: D1Database;
}

export function scriptHandler(env: ScriptHandlerEnv, definition: ScriptHandlerDefinition): Handler {
  return {
    async run(request, context) {
      const runtime = scriptRuntimeOf(env);
      if (runtime === null) throw new Error("this environment runs no scripts");
      const invocation = invocationOf(env.ENVIRONMENT, definition, context);
      const key = dispatchKey(invocation.ref);
      if (definition.dispatchKey !== key) {
        throw new Error(`${definition.dispatchKey} is deployed where ${key} was to be dispatched`);
      }
      const outcome = await runtime.run(invocation, scriptRequest(request, context));
      switch (outcome.result) {
        case "answered":
          return outcome.response;
        case "limit_exceeded":
          context.meter.limitExceeded();
          return answerExceedance(
            env.DB,
            { tenantId: context.tenantId, route: context.route.path, limit: outcome.limit },
            LIMIT_NAMES[outcome.limit],
          );
        case "failed":
        case "unavailable":
          // Logged where handlers are run; a caller learns no more than that it failed.
          throw new Error(`script ${definition.script} ${outcome.result}: ${outcome.reason}`);
        default:
          return outcome satisfies never;
      }
    },
  };
}

function invocationOf(
  environment: string,
  { version, allowedHosts }: ScriptHandlerDefinition,
  { tenantId, limits }: HandlerContext,
): ScriptInvocation {
  const { cpuMs, subRequests, scriptDeadlineMs, egressHostsMax, egressBytesMax } = limits;
  return {
    ref: { environment, tenantId, version },
    limits: { cpuMs, subRequests, deadlineMs: scriptDeadlineMs },
    egress: {
      tenantId,
      // A deployment may be older than its tenant's plan, or than the end of an override.
      allowedHosts: allowedHosts.slice(0, egressHostsMax),
      maxSubrequests: subRequests,
      maxBytes: egressBytesMax,
    },
  };
}

function scriptRequest(
  request: Request,
  { paymentId, payer, idempotencyKey }: HandlerContext,
): Request {
  const headers = new Headers(request.headers);
  headers.set("Payment-Id", paymentId);
  headers.set("Payment-Payer", payer);
  headers.set("Idempotency-Key", idempotencyKey);
  return new Request(request, { headers });
}

const LIMIT_NAMES: Readonly<Record<ScriptLimit, string>> = {
  cpu: "CPU time",
  memory: "memory",
  cpu_or_memory: "CPU time or memory",
  subrequests: "requests of its own",
  egress_bytes: "bytes in requests of its own",
  deadline: "time",
};
