/**
 * Scripts in a script host that is reached over a service binding. The host may die under a call, because something in
 * it looped or took all memory; nobody can say which of the calls in it that was, or whether one that was answered left
 * work behind. So calls that were lost are run again, one at a time: those that did nothing wrong get their answer, and
 * the one whose process ends when nothing else ever ran in it has done it. Each keeps its `Idempotency-Key`.
 */
import type { DenialCount } from "../egress/denials.ts";
import type { TenantUse } from "../../tenant/directory/egress-uses.ts";
import type { ScriptBundle } from "../../contracts/script.ts";
import {
  ANSWERED,
  DENIALS_FIELD,
  INVOCATION_FIELD,
  OUTCOME_FIELD,
  TOKEN_FIELD,
  USES_FIELD,
  checkReplySchema,
  denialsSchema,
  hostOutcomeSchema,
  hostPaths,
  usesSchema,
} from "./host-messages.ts";
import type {
  ScriptInvocation,
  ScriptOutcome,
  ScriptRef,
  ScriptRuntime,
} from "./script-runtime.ts";
import { canonicalScript } from "./script-version.ts";

/** A host that was ended is there again within a second or two; these waits are 10 seconds together. */
const READY_WAIT_MS = 100;
const READY_TIMEOUT_MS = 500;
const READY_ATTEMPTS_MAX = 100;

/** A first run, one after a loss, and one or two that found the host just starting. */
const ATTEMPTS_MAX = 4;

/**
 * A rerun that does not end by then is not waited for: the request it belongs to may be gone. Half of the shortest
 * `handlerDeadlineMs`, because a call waits in its own time, and is blamed when it runs out of that.
 */
const RERUN_WAIT_MS = 5_000;

/** Origin of requests whose path alone means something. */
const HOST_ORIGIN = "http://script-host";

export interface HostedScriptsOptions {
  readonly host: Pick<Fetcher, "fetch">;
  readonly token: string;
  /** The code of a version; null when it is not stored. */
  readonly readCode: (ref: ScriptRef) => Promise<ScriptBundle | null>;
  /** Counts what egress refused to scripts in the host. */
  readonly onDenials?: (counts: readonly DenialCount[]) => void;
  /** Counts what scripts in the host moved through egress. */
  readonly onUses?: (uses: readonly TenantUse[]) => void;
}

type Attempt =
  | ScriptOutcome
  /** Nothing ran. */
  | { readonly result: "starting" }
  /** The connection ended without an answer. Alone: no other code ran in the process since the last time. */
  | { readonly result: "lost"; readonly alone: boolean };

/** Ends when the last of the calls that were lost has been run again; null when there is none. */
let lastRerun: Promise<unknown> | null = null;

/** The host's process as far as it is known: how many runs it has taken on. A loss begins another one. */
let hostProcess = { runs: 0 };

export function hostedScripts(options: HostedScriptsOptions): ScriptRuntime {
  return {
    async run(invocation, request) {
      const body = request.body === null ? null : await request.arrayBuffer();
      const attempt = () => runInstalled(options, invocation, request, body);
      let losses = 0;
      for (let number = 1; number <= ATTEMPTS_MAX; number += 1) {
        const outcome =
          losses === 0
            ? await afterReruns(attempt)
            : await inTurn(options, request.signal, attempt);
        if (outcome.result === "lost") losses += 1;
        else if (outcome.result !== "starting") return outcome;
        if (request.signal.aborted) return { result: "limit_exceeded", limit: "deadline" };
        // The first time, it may have been sent to a process that was ended already.
        if (outcome.result === "lost" && outcome.alone && losses >= 2) {
          return { result: "limit_exceeded", limit: "cpu_or_memory" };
        }
        await untilReady(options);
      }
      return { result: "unavailable", reason: "the script host does not start, or not for long" };
    },
    async check(bundle) {
      const { text, version } = await canonicalScript(bundle);
      await untilReady(options);
      // Its code runs too: what it ends must not be blamed on a call beside it.
      hostProcess.runs += 1;
      const reply = await control(options, `${hostPaths.check}?version=${version}`, text);
      return reply === null
        ? { ok: false, reason: "it loops, or takes too much memory" }
        : checkReplySchema.parse(await reply.json());
    },
  };
}

/** Waits for the reruns that were asked for before. */
async function untilRerun(): Promise<void> {
  const rerun = lastRerun;
  if (rerun === null) return;
  await Promise.race([rerun, scheduler.wait(RERUN_WAIT_MS)]);
  if (lastRerun === rerun) lastRerun = null;
}

/** Not beside those that are run again: either could be the one that ends the process, and take the other with it. */
async function afterReruns(attempt: () => Promise<Attempt>): Promise<Attempt> {
  await untilRerun();
  return await attempt();
}

/** After the reruns before it, in a host that is up, and once more when one of those may have ended it. */
function inTurn(
  options: HostedScriptsOptions,
  signal: AbortSignal,
  attempt: () => Promise<Attempt>,
): Promise<Attempt> {
  const rerun = untilRerun().then(async () => {
    await untilReady(options);
    const outcome = await attempt();
    if (outcome.result !== "lost" || outcome.alone) return outcome;
    await untilReady(options);
    return await attempt();
  });
  // Nothing of a request goes on when it is over, and so its rerun would never end.
  const over = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  lastRerun = Promise.race([rerun.catch(() => undefined), over]);
  return rerun;
}

/** Waits for a host that is being replaced; one that does not come is noticed by whoever calls it next. */
async function untilReady(options: HostedScriptsOptions): Promise<void> {
  for (let attempt = 1; attempt <= READY_ATTEMPTS_MAX; attempt += 1) {
    const reply = await control(options, hostPaths.ready, null, READY_TIMEOUT_MS);
    if (reply?.status === 204) return;
    await scheduler.wait(READY_WAIT_MS);
  }
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
  const installed = await control(options, `${hostPaths.install}?version=${version}`, text);
  if (installed === null) return { result: "lost", alone: false };
  const second = await runOnce(options, invocation, request, body);
  return second.result === "not_installed" ? { result: "starting" } : second;
}

async function runOnce(
  options: HostedScriptsOptions,
  invocation: ScriptInvocation,
  request: Request,
  body: ArrayBuffer | null,
): Promise<Attempt | { readonly result: "not_installed" }> {
  const headers = new Headers(request.headers);
  const { ref, limits, egress } = invocation;
  const { url, method } = request;
  const message = JSON.stringify({ url, method, ref, limits, egress });
  headers.set(INVOCATION_FIELD, encodeURIComponent(message));
  headers.set(TOKEN_FIELD, options.token);
  const init: RequestInit = {
    method: method === "HEAD" ? "GET" : method,
    headers,
    body,
    signal: request.signal,
    // The script's redirect is its answer; followed, it would lead back here.
    redirect: "manual",
  };
  const process = hostProcess;
  process.runs += 1;
  try {
    const reply = await options.host.fetch(HOST_ORIGIN, init);
    const denials = reply.headers.get(DENIALS_FIELD);
    if (denials !== null) options.onDenials?.(denialsSchema.parse(JSON.parse(denials)));
    const uses = reply.headers.get(USES_FIELD);
    if (uses !== null) options.onUses?.(usesSchema.parse(JSON.parse(uses)));
    const outcome = await outcomeOf(reply);
    // Its code has not run.
    if (outcome.result === "starting" || outcome.result === "not_installed") process.runs -= 1;
    return outcome;
  } catch {
    if (request.signal.aborted) return { result: "lost", alone: false };
    if (hostProcess === process) hostProcess = { runs: 0 };
    return { result: "lost", alone: process.runs === 1 };
  }
}

async function outcomeOf(reply: Response): Promise<Attempt | { readonly result: "not_installed" }> {
  const kind = reply.headers.get(OUTCOME_FIELD);
  if (kind === null) return { result: "unavailable", reason: `the host answers ${reply.status}` };
  if (kind !== ANSWERED) return hostOutcomeSchema.parse(await reply.json());
  const headers = new Headers(reply.headers);
  headers.delete(OUTCOME_FIELD);
  headers.delete(DENIALS_FIELD);
  headers.delete(USES_FIELD);
  return {
    result: "answered",
    response: new Response(reply.body, { status: reply.status, headers }),
  };
}

/** Speaks to the host itself. null: it is not there, or ends under it. */
async function control(
  { host, token }: HostedScriptsOptions,
  path: string,
  text: string | null,
  timeoutMs?: number,
): Promise<Response | null> {
  try {
    return await host.fetch(`${HOST_ORIGIN}${path}`, {
      method: text === null ? "GET" : "POST",
      headers: { [TOKEN_FIELD]: token },
      body: text,
      signal: timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs),
    });
  } catch {
    return null;
  }
}
