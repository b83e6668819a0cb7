/**
 * The switchboard of a local facilitator: what its `/control` routes take and answer, and a client for them. The
 * routes hold no secrets and the money is play money, so they ask for no credentials.
 */
import * as z from "zod";
import { CALL_FAULTS, OPERATIONS, SETTLE_FAULTS } from "./faults.ts";
import type { FaultInjection } from "./faults.ts";

/** Longer than any client waits; a longer outage is `hang`. */
const DELAY_MAX_MS = 60_000;
const TIMES_MAX = 1_000_000;
const REQUEST_TIMEOUT_MS = 30_000;

export const faultInjectionSchema = z
  .strictObject({
    operation: z.enum([...OPERATIONS, "all"]),
    fault: z.enum(["ok", ...CALL_FAULTS, ...SETTLE_FAULTS]),
    delayMs: z.number().int().min(0).max(DELAY_MAX_MS).optional(),
    times: z.number().int().min(1).max(TIMES_MAX).optional(),
  })
  .refine(
    ({ operation, fault }) =>
      operation === "settle" || !SETTLE_FAULTS.some((settleFault) => settleFault === fault),
    { path: ["fault"], message: "is a fault of settle only" },
  )
  .refine(({ fault, delayMs }) => delayMs === undefined || fault === "slow", {
    path: ["delayMs"],
    message: "is for slow only",
  });

const activeFaultSchema = z.strictObject({
  fault: z.enum([...CALL_FAULTS, ...SETTLE_FAULTS]),
  delayMs: z.number(),
  remaining: z.number().nullable(),
});

const callCountsSchema = z.strictObject({
  /** Requests that arrived. */
  received: z.number(),
  /** Of these, how many got through to the chain code, now or when they were released. */
  performed: z.number(),
});

const recordedCallSchema = z.strictObject({
  operation: z.enum(OPERATIONS),
  receivedAtMs: z.number(),
  fault: z.enum(["ok", ...CALL_FAULTS, ...SETTLE_FAULTS]),
  /** HTTP status of the answer; null as long as there is none, and for ever when the connection was destroyed. */
  status: z.number().nullable(),
  /** Of the payment, what the chain makes public anyway. Null where the body has no such field. */
  payment: z
    .strictObject({
      x402Version: z.number(),
      payer: z.string(),
      payee: z.string(),
      amountAtomic: z.string(),
      nonce: z.string(),
    })
    .nullable(),
});
export type RecordedCall = z.infer<typeof recordedCallSchema>;

export const facilitatorStatsSchema = z.strictObject({
  id: z.string(),
  /** The account that pays the gas. */
  address: z.string(),
  faults: z.record(z.enum(OPERATIONS), activeFaultSchema.nullable()),
  calls: z.record(z.enum(OPERATIONS), callCountsSchema),
  /** Broadcast, whatever became of them. */
  transactionsSent: z.number(),
  /** Calls that wait inside `hang`, `settle-then-hang` or `slow` at this moment. */
  held: z.number(),
  /** The latest calls, oldest first. */
  recentCalls: z.array(recordedCallSchema),
});
export type FacilitatorStats = z.infer<typeof facilitatorStatsSchema>;

export const releasedSchema = z.strictObject({ released: z.number() });

export interface FacilitatorControl {
  /** Orders a fault; see `faults.ts` for what each does. */
  inject(injection: FaultInjection): Promise<FacilitatorStats>;
  /** Takes all faults back. Calls that are held stay held. */
  clear(): Promise<FacilitatorStats>;
  /** Lets every held call go on, and says how many those were. */
  release(): Promise<number>;
  stats(): Promise<FacilitatorStats>;
}

/**
 * @param url of the facilitator, as in `LocalFacilitator.url`
 * @throws Error (from every method) with the facilitator's words when it refuses an order.
 */
export function facilitatorControl(url: string): FacilitatorControl {
  const request = async <Answer>(
    schema: z.ZodType<Answer>,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer> => {
    const response = await fetch(new URL(path, url), {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return schema.parse(await response.json());
  };
  return {
    inject: (injection) => request(facilitatorStatsSchema, "POST", "/control/faults", injection),
    clear: () => request(facilitatorStatsSchema, "DELETE", "/control/faults"),
    release: async () => {
      const { released } = await request(releasedSchema, "POST", "/control/release");
      return released;
    },
    stats: () => request(facilitatorStatsSchema, "GET", "/control"),
  };
}
