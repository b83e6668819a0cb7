/**
 * What a tenant may use: every limit by its one name, the values that nothing passes, and what is in force for a tenant
 * at a moment. The values of each plan are in `plans.ts`; docs/limits.md says who enforces which limit where.
 */
import * as z from "zod";
import type { TenantSnapshot } from "../contracts/snapshot.ts";
import { ROWS_MAX, UPLOAD_BYTES_MAX } from "../dataset/limits.ts";
import { PLANS } from "./plans.ts";

const limitSchema = z.number().int().min(0);

/** The limits that an override can raise. Times are milliseconds, sizes bytes; days and months are UTC. */
export const limitValuesSchema = z.strictObject({
  /** Body of a call: it is held in memory, hashed and handed to the handler. */
  requestBytesMax: limitSchema,
  /** Answer of a handler; a larger one is not charged. */
  responseBytesMax: limitSchema,
  /** How long the answer to a settled payment can be fetched again. */
  retentionMs: limitSchema,
  /** From the start of a handler to the end of its answer, wall clock. */
  handlerDeadlineMs: limitSchema,
  /** From the start of a script to the head of its answer, wall clock. */
  scriptDeadlineMs: limitSchema,
  /** CPU time of one run of a script. */
  cpuMs: limitSchema,
  /** Requests that one run of a script may make. */
  subRequests: limitSchema,
  /** Hosts that the scripts of a deployment may go to. */
  egressHostsMax: limitSchema,
  /** Bodies of the requests of one run and of their answers together. */
  egressBytesMax: limitSchema,
  /** Scripts of different names. */
  scriptsMax: limitSchema,
  /** Modules of one script. */
  scriptModulesMax: limitSchema,
  /** All modules of one script together. */
  scriptBytesMax: limitSchema,
  /** Rows of one dataset. */
  datasetRowsMax: limitSchema,
  /** File of one dataset. */
  datasetBytesMax: limitSchema,
  /** New payments per second. */
  requestsPerSecond: limitSchema,
  /** Calls at a time: from the claim until the answer is stored or the payment is given back. */
  concurrentCalls: limitSchema,
  callsPerDay: limitSchema,
  callsPerMonth: limitSchema,
  egressBytesPerDay: limitSchema,
  egressBytesPerMonth: limitSchema,
  /** Estimated. */
  cpuMsPerDay: limitSchema,
  /** Estimated. */
  cpuMsPerMonth: limitSchema,
  /** Wall clock of handlers. */
  durationMsPerDay: limitSchema,
  /** Wall clock of handlers. */
  durationMsPerMonth: limitSchema,
});
export type LimitValues = Readonly<z.infer<typeof limitValuesSchema>>;

export const limitNameSchema = limitValuesSchema.keyof();
export type LimitName = z.infer<typeof limitNameSchema>;

/** In the order in which they are documented. */
export const LIMIT_NAMES: readonly LimitName[] = limitNameSchema.options;

export const limitsSchema = limitValuesSchema.extend({
  /** What happens when a budget of a day or a month is used up; no override changes it. */
  onBudgetSpent: z.enum(["throttle", "suspend"]),
});
/** Everything a plan limits. */
export type Limits = Readonly<z.infer<typeof limitsSchema>>;

/** Higher values for some limits. */
export type RaisedLimits = Readonly<Partial<Record<LimitName, number | undefined>>>;

/** As an operator approved them. Names that a newer version of the platform wrote are passed over. */
export const limitOverrideSchema = z.object({
  limits: limitValuesSchema.partial().strip(),
  /** From then on it is ignored; null for an override without an end. */
  expiresAtMs: z.number().int().nullable(),
});
export type LimitOverride = Readonly<z.infer<typeof limitOverrideSchema>>;

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What no override passes, whoever approves it: the platform itself would not hold more. */
export const CEILINGS: LimitValues = {
  // An isolate has 128 MB for all the calls it serves.
  requestBytesMax: 16 * MIB,
  responseBytesMax: 25 * MIB,
  retentionMs: 90 * DAY_MS,
  // A claim's lease, 60 s, holds verification and the handler.
  handlerDeadlineMs: 30_000,
  scriptDeadlineMs: 25_000,
  cpuMs: 10_000,
  // Cloudflare's own limit for one invocation.
  subRequests: 1_000,
  // The list is handed over with every run, and each route's snapshot repeats it.
  egressHostsMax: 200,
  egressBytesMax: 500 * MIB,
  scriptsMax: 500,
  scriptModulesMax: 200,
  // Workers of up to 10 MB are accepted; the form around them counts too.
  scriptBytesMax: 8 * MIB,
  datasetRowsMax: ROWS_MAX,
  datasetBytesMax: UPLOAD_BYTES_MAX,
  // One ledger commits a few hundred payments per second.
  requestsPerSecond: 1_000,
  concurrentCalls: 2_000,
  callsPerDay: 50_000_000,
  callsPerMonth: 1_000_000_000,
  egressBytesPerDay: 2_000 * GIB,
  egressBytesPerMonth: 30_000 * GIB,
  cpuMsPerDay: 2_000_000_000,
  cpuMsPerMonth: 40_000_000_000,
  durationMsPerDay: 100_000_000_000,
  durationMsPerMonth: 2_000_000_000_000,
};

/**
 * The limits in force for a tenant: its plan's, raised by its approved overrides until they expire, never above a
 * ceiling. Every edge works this out from its copy of the snapshot, so an override ends on time without a publish.
 */
export function effectiveLimits(
  { plan, limitOverrides }: Pick<TenantSnapshot, "plan" | "limitOverrides">,
  nowMs: number,
): Limits {
  const limits = { ...PLANS[plan].limits };
  for (const override of limitOverrides) {
    if (override.expiresAtMs !== null && override.expiresAtMs <= nowMs) continue;
    for (const name of LIMIT_NAMES) {
      const raised = Math.min(override.limits[name] ?? 0, CEILINGS[name]);
      limits[name] = Math.max(limits[name], raised);
    }
  }
  return limits;
}
