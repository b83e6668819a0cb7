/**
 * The Worker that runs scripts on the Worker Loader. On this machine it is a process of its own under a watchdog
 * (`src/local/script-host.ts`), because a script that loops blocks the whole runtime it shares. It has no storage and no
 * secrets; it is sent the code it runs and forgets it when it ends.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { scriptVersionSchema, type ScriptBundle } from "../../contracts/script.ts";
import { isSameSecret } from "../../tenant/credentials.ts";
import { takeDenials, takeUses } from "../egress/egress.ts";
import type { EgressProps } from "../egress/props.ts";
import {
  ANSWERED,
  DENIALS_FIELD,
  type HostOutcome,
  INVOCATION_FIELD,
  OUTCOME_FIELD,
  TOKEN_FIELD,
  USES_FIELD,
  hostInvocationSchema,
  hostPaths,
} from "./host-messages.ts";
import type { ScriptOutcome } from "./script-runtime.ts";
import { parseCanonicalScript } from "./script-version.ts";
import { checkLoaded, runLoaded } from "./worker-loader.ts";

/** Code of the versions in use; the oldest goes first, and is asked for again when it is needed. */
const INSTALLED_CHARACTERS_MAX = 64 * 1024 * 1024;

interface InstalledScript {
  readonly bundle: ScriptBundle;
  readonly characters: number;
}

const installed = new Map<string, InstalledScript>();
let installedCharacters = 0;

export interface ScriptHostEnv {
  readonly LOADER: WorkerLoader;
  /** What callers have to send; empty where only a service binding leads here. */
  readonly SCRIPT_HOST_TOKEN: string;
  /** Set where a watchdog pings: no code runs before it does, or nobody would notice that it loops. */
  readonly SCRIPT_HOST_WATCHED?: string;
}

let isWatched = false;

export class ScriptHost extends WorkerEntrypoint<ScriptHostEnv> {
  override async fetch(request: Request): Promise<Response> {
    const token = request.headers.get(TOKEN_FIELD) ?? "";
    if (!(await isSameSecret(token, this.env.SCRIPT_HOST_TOKEN))) {
      return new Response(null, { status: 401 });
    }
    const { pathname, searchParams } = new URL(request.url);
    const invocation = request.headers.get(INVOCATION_FIELD);
    if (invocation === null && pathname === hostPaths.ping) {
      isWatched = true;
      return new Response(null, { status: 204 });
    }
    if (this.env.SCRIPT_HOST_WATCHED !== undefined && !isWatched) {
      return replyOf({ result: "starting" });
    }
    if (invocation !== null) return withCounts(replyOf(await this.#run(request, invocation)));
    switch (pathname) {
      case hostPaths.ready:
        return new Response(null, { status: 204 });
      case hostPaths.install:
        await install(searchParams.get("version"), await request.text());
        return new Response(null, { status: 204 });
      case hostPaths.check:
        return Response.json(
          await checkLoaded(
            this.env.LOADER,
            await parseCanonicalScript(await request.text(), searchParams.get("version") ?? ""),
          ),
        );
      default:
        return new Response(null, { status: 404 });
    }
  }

  async #run(request: Request, header: string): Promise<ScriptOutcome | HostOutcome> {
    const { url, method, ...invocation } = hostInvocationSchema.parse(
      JSON.parse(decodeURIComponent(header)),
    );
    const script = installed.get(invocation.ref.version);
    if (script === undefined) return { result: "not_installed" };
    const headers = new Headers(request.headers);
    // The last comes with the connection, and names this host.
    for (const name of [INVOCATION_FIELD, TOKEN_FIELD, "Host"]) headers.delete(name);
    return await runLoaded(
      this.env.LOADER,
      invocation,
      { bundle: script.bundle, egress: this.#egress(invocation.egress) },
      new Request(url, {
        method,
        headers,
        body: request.body === null ? null : await request.arrayBuffer(),
        signal: request.signal,
      }),
    );
  }

  #egress(props: EgressProps): Fetcher {
    return this.ctx.exports.Egress({ props });
  }
}

async function install(version: string | null, text: string): Promise<void> {
  const name = scriptVersionSchema.parse(version);
  const bundle = await parseCanonicalScript(text, name);
  installedCharacters -= installed.get(name)?.characters ?? 0;
  installed.delete(name);
  installed.set(name, { bundle, characters: text.length });
  installedCharacters += text.length;
  for (const [oldest, { characters }] of installed) {
    if (installedCharacters <= INSTALLED_CHARACTERS_MAX || oldest === name) break;
    installed.delete(oldest);
    installedCharacters -= characters;
  }
}

function withCounts(reply: Response): Response {
  // A script may answer with such headers of its own.
  for (const name of [DENIALS_FIELD, USES_FIELD]) reply.headers.delete(name);
  const denials = takeDenials();
  if (denials.length > 0) reply.headers.set(DENIALS_FIELD, JSON.stringify(denials));
  const uses = takeUses();
  if (uses.length > 0) reply.headers.set(USES_FIELD, JSON.stringify(uses));
  return reply;
}

function replyOf(outcome: ScriptOutcome | HostOutcome): Response {
  if (outcome.result !== "answered") {
    return Response.json(outcome, { headers: { [OUTCOME_FIELD]: outcome.result } });
  }
  const { response } = outcome;
  const headers = new Headers(response.headers);
  headers.set(OUTCOME_FIELD, ANSWERED);
  return new Response(response.body, { status: response.status, headers });
}
