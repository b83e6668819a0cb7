/** Scripts on the Worker Loader: isolates made of code that is at hand. Runs inside the script host. */
import type { ScriptBundle, ScriptModule } from "../../contracts/script.ts";
import { sha256Hex } from "../../payment/hash.ts";
import { INVOCATION_HEADER, LIMIT_HEADER } from "../egress/serve-egress.ts";
import { invoke, messageOf } from "./invoke.ts";
import {
  SCRIPT_COMPATIBILITY,
  dispatchKey,
  type ScriptCheck,
  type ScriptInvocation,
  type ScriptOutcome,
} from "./script-runtime.ts";

/**
 * The runtime never lets go of an isolate that has an id, and each takes about 2 MB. Scripts beyond this many are
 * loaded afresh for every call: slower, and forgotten afterwards.
 */
const WARM_ISOLATES_MAX = 200;

/** Not names a module may have, so that they can't stand in for one of the tenant's. */
const CHECK_MODULE = "-check.js";
const MAIN_MODULE = "-main.js";
const FETCH_MODULE = "-fetch.js";
const CHECK_DEADLINE_MS = 5_000;

/** Ids of the isolates this process keeps. */
const warmIds = new Set<string>();

/** Code that runs nowhere else: no bindings, and no network but through `egress`. */
export interface LoadedScript {
  readonly bundle: ScriptBundle;
  /** null: no network at all. */
  readonly egress: Fetcher | null;
}

export async function runLoaded(
  loader: WorkerLoader,
  invocation: ScriptInvocation,
  script: LoadedScript,
  request: Request,
): Promise<ScriptOutcome> {
  const id = await isolateId(invocation);
  const code = () => wrappedCode(script);
  const { cpuMs, subRequests } = invocation.limits;
  const headers = new Headers(request.headers);
  headers.set(INVOCATION_HEADER, crypto.randomUUID());
  return await invoke(
    () => {
      const worker = staysWarm(id) ? loader.get(id, code) : loader.load(code());
      return worker.getEntrypoint(undefined, { limits: { cpuMs, subRequests } });
    },
    new Request(request, { headers }),
    invocation.limits,
  );
}

/**
 * Names the invocation on every request that the script makes, so that egress can count by invocation, and throws where
 * it is over a limit, as `fetch` does on Workers for Platforms: a script that is not prepared for it sells nothing. The
 * script can undo it; then it is counted by its tenant's sum over a window.
 */
const FETCH_SOURCE = `import { AsyncLocalStorage } from "node:async_hooks";
const invocations = new AsyncLocalStorage();
const fetchOutside = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const invocation = invocations.getStore();
  if (invocation !== undefined) request.headers.set(${JSON.stringify(INVOCATION_HEADER)}, invocation);
  const response = await fetchOutside(request);
  const limit = response.headers.get(${JSON.stringify(LIMIT_HEADER)});
  if (limit !== null) throw new Error(limit);
  return response;
};
export const runAs = (invocation, run) => invocations.run(invocation, run);
`;

/** The module in front of the tenant's, which comes second so that it finds `fetch` replaced. */
function mainSource(main: string): string {
  return `import { runAs } from "./${FETCH_MODULE}";
import script from "./${main}";
export default {
  fetch(request, env, context) {
    const headers = new Headers(request.headers);
    const invocation = headers.get(${JSON.stringify(INVOCATION_HEADER)});
    headers.delete(${JSON.stringify(INVOCATION_HEADER)});
    return runAs(invocation, () => script.fetch(new Request(request, { headers }), env, context));
  },
};
`;
}

/** Starts the code in an isolate of its own, without network, and looks at what it exports. */
export async function checkLoaded(
  loader: WorkerLoader,
  bundle: ScriptBundle,
): Promise<ScriptCheck> {
  const probe = `import * as main from "./${bundle.main}";
export default { fetch: () => new Response(typeof main.default?.fetch) };`;
  const { modules, ...code } = workerCode(bundle, null);
  try {
    const outcome = await invoke(
      () =>
        loader
          .load({
            ...code,
            mainModule: CHECK_MODULE,
            modules: { ...modules, [CHECK_MODULE]: { js: probe } },
          })
          .getEntrypoint(),
      new Request("https://check/"),
      { deadlineMs: CHECK_DEADLINE_MS },
    );
    if (outcome.result !== "answered") return { ok: false, reason: explain(outcome) };
    return (await outcome.response.text()) === "function"
      ? { ok: true }
      : { ok: false, reason: `${bundle.main} must export default an object with a fetch method` };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

/** In one line: the runtime puts where it was on a second one. */
function explain(outcome: Exclude<ScriptOutcome, { result: "answered" }>): string {
  return outcome.result === "limit_exceeded"
    ? `it did not start within its limits (${outcome.limit})`
    : outcome.reason.replace(/^Failed to start Worker:\s*/, "").replaceAll(/\s*\n\s*/g, " ");
}

function staysWarm(id: string): boolean {
  if (warmIds.has(id)) return true;
  if (warmIds.size >= WARM_ISOLATES_MAX) return false;
  warmIds.add(id);
  return true;
}

/** An isolate's code and network are fixed under its id for as long as it lives, so the id says all of both. */
async function isolateId({ ref, egress }: ScriptInvocation): Promise<string> {
  const { tenantId, allowedHosts, maxSubrequests, maxBytes } = egress;
  const policy = sha256Hex(JSON.stringify([tenantId, allowedHosts, maxSubrequests, maxBytes]));
  const { date, flags } = SCRIPT_COMPATIBILITY;
  return [dispatchKey(ref), policy, date, ...flags].join("--");
}

function wrappedCode({ bundle, egress }: LoadedScript): WorkerLoaderWorkerCode {
  const { modules, ...code } = workerCode(bundle, egress);
  return {
    ...code,
    mainModule: MAIN_MODULE,
    modules: {
      ...modules,
      [FETCH_MODULE]: { js: FETCH_SOURCE },
      [MAIN_MODULE]: { js: mainSource(bundle.main) },
    },
  };
}

function workerCode(bundle: ScriptBundle, egress: Fetcher | null): WorkerLoaderWorkerCode {
  return {
    compatibilityDate: SCRIPT_COMPATIBILITY.date,
    compatibilityFlags: [...SCRIPT_COMPATIBILITY.flags],
    mainModule: bundle.main,
    modules: Object.fromEntries(
      Object.entries(bundle.modules).map(([name, module]) => [name, loaderModule(module)]),
    ),
    env: {},
    globalOutbound: egress,
  };
}

function loaderModule({ type, content }: ScriptModule): WorkerLoaderModule {
  switch (type) {
    case "esm":
      return { js: content };
    case "json":
      return { json: JSON.parse(content) };
    case "text":
      return { text: content };
    default:
      return type satisfies never;
  }
}
