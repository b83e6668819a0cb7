/** Scripts on Workers for Platforms: one dispatch namespace per environment, the runtime's own limits and isolation. */
import { invoke } from "./invoke.ts";
import { dispatchKey, type ScriptRuntime } from "./script-runtime.ts";

export function dispatchedScripts(namespace: DispatchNamespace): ScriptRuntime {
  return {
    async run({ ref, limits, egress }, request) {
      const { cpuMs, subRequests } = limits;
      return await invoke(
        () =>
          namespace.get(
            dispatchKey(ref),
            {},
            // `egress` is the parameter of the outbound Worker (src/runtime/egress/wrangler.toml).
            { limits: { cpuMs, subRequests }, outbound: { egress } },
          ),
        request,
        limits,
      );
    },
    // The upload into the namespace starts the code, and refuses what does not.
    check: () => Promise.resolve(null),
  };
}
