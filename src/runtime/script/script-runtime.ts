/**
 * Runs a tenant's own code. Two adapters: Workers for Platforms (`dispatch-namespace.ts`) and a script host on the
 * Worker Loader (`hosted-scripts.ts`); the same contract tests hold for both.
 */
import type { ScriptBundle } from "../../contracts/script.ts";
import type { TenantId } from "../../tenant/tenant-id.ts";
import type { EgressProps } from "../egress/props.ts";

/** Which code: one version of one tenant's script in one environment. */
export interface ScriptRef {
  readonly environment: string;
  readonly tenantId: TenantId;
  /** SHA-256 of the code, lower-case hex. */
  readonly version: string;
}

/** What one invocation may use. */
export interface ScriptLimits {
  /** CPU time, milliseconds. */
  readonly cpuMs: number;
  /** Requests it may make. */
  readonly subRequests: number;
  /** From the call to the head of the answer, milliseconds of wall clock. */
  readonly deadlineMs: number;
}

export interface ScriptInvocation {
  readonly ref: ScriptRef;
  readonly limits: ScriptLimits;
  /** What it may reach, through the egress Worker. */
  readonly egress: EgressProps;
}

/** `cpu_or_memory`: the process it ran in had to be ended (only where scripts share one, as they do locally). */
export type ScriptLimit =
  | "cpu"
  | "memory"
  | "cpu_or_memory"
  | "subrequests"
  | "egress_bytes"
  | "deadline";

export type ScriptOutcome =
  | { readonly result: "answered"; readonly response: Response }
  | { readonly result: "limit_exceeded"; readonly limit: ScriptLimit }
  /** It threw or did not start. The reason is for its owner's logs, not for callers. */
  | { readonly result: "failed"; readonly reason: string }
  /** Not the script's fault: it is not there, or nothing runs scripts now. */
  | { readonly result: "unavailable"; readonly reason: string };

export type ScriptCheck =
  | { readonly ok: true }
  /** What the runtime said, which names the module and line. */
  | { readonly ok: false; readonly reason: string };

export interface ScriptRuntime {
  /** Never throws for anything that the script does. */
  run(invocation: ScriptInvocation, request: Request): Promise<ScriptOutcome>;
  /** Whether the code starts and exports a fetch handler; nothing else of it runs. Null: only its deployment tells. */
  check(bundle: ScriptBundle): Promise<ScriptCheck | null>;
}

/** What every script is compiled with, whichever runtime it is on. */
export const SCRIPT_COMPATIBILITY = {
  date: "2026-10-01",
  flags: ["nodejs_compat"],
} as const;

const ENVIRONMENT_PATTERN = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/**
 * The name of a version in a dispatch namespace and in the host: injective, because environments and tenant ids have
 * no double hyphen and versions are of one length.
 *
 * @throws RangeError when the environment's name could be taken for a part of another key
 */
export function dispatchKey({ environment, tenantId, version }: ScriptRef): string {
  if (!ENVIRONMENT_PATTERN.test(environment)) {
    throw new RangeError(`ENVIRONMENT must be a-z, 0-9 and single hyphens: ${environment}`);
  }
  return `${environment}--${tenantId}--${version}`;
}
