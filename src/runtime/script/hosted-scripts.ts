/**
 * Scripts in a script host that is reached over a service binding. The host may die under a call, because something in
 * it looped or took all memory; nobody can say which of the calls in it that was. So calls that were lost are run once
 * more, one at a time: those that did nothing wrong get their answer, and the one that did it is alone when it does it
 * again. Each keeps its `Idempotency-Key`.
 */
import type { DenialCount } from "../egress/denials.ts";
import type { ScriptBundle } from "../../contracts/script.ts";
import {
  ANSWERED,
  DENIALS_FIELD,
  INVOCATION_FIELD,
  OUTCOME_FIELD,
  TOKEN_FIELD,
  checkReplySchema,
  denialsSchema,
  hostOutcomeSchema,
  hostPaths,
} from "./host-messages.ts";
import { messageOf } from "./invoke.ts";
import type {
  ScriptInvocation,
  ScriptOutcome,
  ScriptRef,
  ScriptRuntime,
} from "./script-runtime.ts";
import { canonicalScript } from "./script-version.ts";

/** A host that was ended is there again within a second; these waits are 3 seconds together. */
const RECONNECT_WAIT_MS = 100;
const RECONNECTS_MAX = 30;

/** Origin of requests whose path alone means something. */
const HOST_ORIGIN = "http://script-host";

export interface HostedScriptsOptions {
  readonly host: Pick<Fetcher, "fetch">;
  readonly token: string;
  /** The code of a version; null when it is not stored. */
  readonly readCode: (ref: ScriptRef) => Promise<ScriptBundle | null>;
  /** Counts what egress refused to scripts in the host. */
  readonly onDenials?: (counts: readonly DenialCount[]) => void;
}

type Attempt = ScriptOutcome | { readonly result: "lost"; readonly reason: string };

/** Calls that are in the host now, or wait to be run once more. */
const inFlight = new Set<object>();

/** Ends when the last of the calls that were lost has been run again. */
let lastRerun: Promise<unknown> = Promise.resolve();

export function hostedScripts(options: HostedScriptsOptions): ScriptRuntime {
  return {
    async run(invocation, request) {
      const body = request.body === null ? null : await request.arrayBuffer();
      const attempt = () => runInstalled(options, invocation, request, body);
      const call = {};
      inFlight.add(call);
      try {
        const first = await attempt();
        if (first.result !== "lost") return first;
        if (inFlight.size === 1) return { result: "limit_exceeded", limit: "cpu_or_memory" };
        const rerun = lastRerun.then(attempt);
        lastRerun = rerun;
        const second = await rerun;
        return second.result === "lost"
          ? { result: "limit_exceeded", limit: "cpu_or_memory" }
          : second;
      } finally {
        inFlight.delete(call);
      }
    },
    async check(bundle) {
      const { text, version } = await canonicalScript(bundle);
      try {
        const reply = await options.host.fetch(
          controlRequest(options, hostPaths.check, version, text),
        );
        return checkReplySchema.parse(await reply.json());
      } catch {
        return { ok: false, reason: "it did not start: it loops, or takes too much memory" };
      }
    },
  };
}

/** Runs the script, after sending its code where the host does not have it. */
async function runInstalled(
  options: HostedScriptsOptions,
  invocation: ScriptInvocation,
  request: Request,
  body: ArrayBuffer | null,
): Promise<Attempt> {
  const first = await runOnce(options, invocation, request, body);
  if (first.result !== "not_installed") return first;
  const bundle = await options.readCode(invocation.ref);
  if (bundle === null) return { result: "unavailable", reason: "this version is not stored" };
  const { text, version } = await canonicalScript(bundle);
  try {
    const reply = await options.host.fetch(
      controlRequest(options, hostPaths.install, version, text),
    );
    if (!reply.ok) return { result: "unavailable", reason: `the host answers ${reply.status}` };
  } catch (error) {
    return { result: "lost", reason: messageOf(error) };
  }
  const second = await runOnce(options, invocation, request, body);
  return second.result === "not_installed"
    ? { result: "lost", reason: "the host forgot the code" }
    : second;
}

async function runOnce(
  options: HostedScriptsOptions,
  invocation: ScriptInvocation,
  request: Request,
  body: ArrayBuffer | null,
): Promise<Attempt | { readonly result: "not_installed" }> {
  const headers = new Headers(request.headers);
  const { ref, limits, egress } = invocation;
  const message = JSON.stringify({ url: request.url, ref, limits, egress });
  headers.set(INVOCATION_FIELD, encodeURIComponent(message));
  headers.set(TOKEN_FIELD, options.token);
  const init: RequestInit = {
    method: request.method,
    headers,
    body,
    signal: request.signal,
    // The script's redirect is its answer; followed, it would lead back here.
    redirect: "manual",
  };
  try {
    const reply = await connected(() => options.host.fetch(HOST_ORIGIN, init), request.signal);
    const denials = reply.headers.get(DENIALS_FIELD);
    if (denials !== null) options.onDenials?.(denialsSchema.parse(JSON.parse(denials)));
    return await outcomeOf(reply);
  } catch (error) {
    if (request.signal.aborted) return { result: "limit_exceeded", limit: "deadline" };
    return { result: "lost", reason: messageOf(error) };
  }
}

async function outcomeOf(
  reply: Response,
): Promise<ScriptOutcome | { readonly result: "not_installed" }> {
  const kind = reply.headers.get(OUTCOME_FIELD);
  if (kind === null) return { result: "unavailable", reason: `the host answers ${reply.status}` };
  if (kind !== ANSWERED) return hostOutcomeSchema.parse(await reply.json());
  const headers = new Headers(reply.headers);
  headers.delete(OUTCOME_FIELD);
  headers.delete(DENIALS_FIELD);
  return {
    result: "answered",
    response: new Response(reply.body, { status: reply.status, headers }),
  };
}

/** Waits for a host that is just being started: nothing was sent to it, so nothing ran. */
async function connected(send: () => Promise<Response>, signal: AbortSignal): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const isRefused = /connection refused|connect\(\)/i.test(messageOf(error));
      if (!isRefused || attempt >= RECONNECTS_MAX || signal.aborted) throw error;
      await scheduler.wait(RECONNECT_WAIT_MS);
    }
  }
}

function controlRequest(
  { token }: HostedScriptsOptions,
  path: string,
  version: string,
  text: string,
): Request {
  return new Request(`${HOST_ORIGIN}${path}?version=${version}`, {
    method: "POST",
    headers: { [TOKEN_FIELD]: token },
    body: text,
  });
}
