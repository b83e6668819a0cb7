/**
 * What the dispatcher and the script host say to each other, over HTTP, because the host may be a process of its own.
 * A run is the handler's own request with `INVOCATION_FIELD` added; its answer is the script's own with `OUTCOME_FIELD`.
 */
import * as z from "zod";
import { scriptVersionSchema } from "../../contracts/script.ts";
import { tenantIdSchema } from "../../tenant/tenant-id.ts";
import { denialCountSchema } from "../egress/denials.ts";
import { egressPropsSchema } from "../egress/props.ts";

/** JSON, percent-encoded: header values are ASCII. */
export const INVOCATION_FIELD = "Script-Invocation";

/** `answered` for what a script said; otherwise the body is a `hostOutcomeSchema`. */
export const OUTCOME_FIELD = "Script-Outcome";
export const ANSWERED = "answered";

/** Proves that the dispatcher asks: a port on the loopback is open to every program of the machine. */
export const TOKEN_FIELD = "Script-Host-Token";

/** With any reply: what egress refused since the last one, as JSON. The host has no database to count it in. */
export const DENIALS_FIELD = "Egress-Denials";

/** With any reply: what scripts moved through egress since the last one, as JSON. Their tenants' ledgers count it. */
export const USES_FIELD = "Egress-Uses";

export const usesSchema = z.array(
  z.object({
    tenantId: tenantIdSchema,
    egressBytes: z.number().int().min(0),
    subrequests: z.number().int().min(0),
  }),
);

export const denialsSchema = z.array(denialCountSchema);

/** `ping` is the watchdog's; `ready` answers 204 to everybody else once it has come. */
export const hostPaths = {
  ping: "/ping",
  ready: "/ready",
  install: "/install",
  check: "/check",
} as const;

export const hostInvocationSchema = z.object({
  /** Of the handler's request; an HTTP service would put its own origin in its place. */
  url: z.url(),
  /** Of the same: HEAD is sent as GET, because its reply would have no body for an outcome. */
  method: z.string(),
  ref: z.object({
    environment: z.string(),
    tenantId: tenantIdSchema,
    version: scriptVersionSchema,
  }),
  limits: z.object({
    cpuMs: z.number().int().positive(),
    subRequests: z.number().int().min(0),
    deadlineMs: z.number().int().positive(),
  }),
  egress: egressPropsSchema,
});

export const hostOutcomeSchema = z.discriminatedUnion("result", [
  /** Nothing ran: send it again in a moment. */
  z.object({ result: z.literal("starting") }),
  /** Send the code with `install`, then the run again. */
  z.object({ result: z.literal("not_installed") }),
  z.object({
    result: z.literal("limit_exceeded"),
    limit: z.enum(["cpu", "memory", "cpu_or_memory", "subrequests", "egress_bytes", "deadline"]),
  }),
  z.object({ result: z.literal("failed"), reason: z.string() }),
  z.object({ result: z.literal("unavailable"), reason: z.string() }),
]);
export type HostOutcome = z.infer<typeof hostOutcomeSchema>;

export const checkReplySchema = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true) }),
  z.object({ ok: z.literal(false), reason: z.string() }),
]);
