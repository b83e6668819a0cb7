/**
 * A dispatch namespace as the documents describe it. Local workerd has none (`get` throws "needs to be run remotely"),
 * so this stands in for the binding: scripts by name, run as isolates, their requests through the outbound Worker. What
 * it can't do is enforce limits: it notes them, and a test says when one is passed.
 */
import { env, exports } from "cloudflare:workers";
import type { ScriptBundle } from "../../src/contracts/script.ts";
import { egressPropsSchema } from "../../src/runtime/egress/props.ts";
import { SCRIPT_COMPATIBILITY } from "../../src/runtime/script/script-runtime.ts";

export class FakeDispatchNamespace implements DispatchNamespace {
  readonly #scripts = new Map<string, ScriptBundle>();
  /** Names and options of every `get`. */
  readonly dispatched: { name: string; options: DynamicDispatchOptions | undefined }[] = [];
  /** What the next request throws in place of running: the runtime's words for a limit. */
  nextThrow: string | null = null;

  deploy(name: string, bundle: ScriptBundle): void {
    this.#scripts.set(name, bundle);
  }

  get(name: string, _args?: Record<string, unknown>, options?: DynamicDispatchOptions): Fetcher {
    this.dispatched.push({ name, options });
    const bundle = this.#scripts.get(name);
    if (bundle === undefined) throw new Error("Worker not found.");
    const thrown = this.nextThrow;
    this.nextThrow = null;
    if (thrown !== null) {
      return {
        ...this.#load(name, bundle, options),
        fetch: () => Promise.reject(new Error(thrown)),
      };
    }
    return this.#load(name, bundle, options);
  }

  #load(name: string, bundle: ScriptBundle, options: DynamicDispatchOptions | undefined): Fetcher {
    const egress = egressPropsSchema.parse(options?.outbound?.["egress"]);
    return env.LOADER.get(`dispatched ${name}`, () => ({
      compatibilityDate: SCRIPT_COMPATIBILITY.date,
      compatibilityFlags: [...SCRIPT_COMPATIBILITY.flags],
      mainModule: bundle.main,
      modules: Object.fromEntries(
        Object.entries(bundle.modules).map(([module, { type, content }]) => [
          module,
          type === "esm"
            ? { js: content }
            : type === "text"
              ? { text: content }
              : { json: JSON.parse(content) },
        ]),
      ),
      globalOutbound: exports.Egress({ props: egress }),
    })).getEntrypoint();
  }
}
