/** What a tenant has used, and whether it is suspended: `GET /v1/usage`, `/admin/tenants/{id}/usage`, …/suspend. */
import * as z from "zod";
import { reasonSchema } from "./admin-payments.ts";

const countSchema = z.number().int().min(0);

/** Of one day or month (UTC). `docs/containment.md` says how each is measured. */
export const usageSchema = z.object({
  /** Runs of a handler. */
  calls: countSchema,
  /** Calls whose payment settled. */
  chargedCalls: countSchema,
  /** New payments that were not admitted: suspended, or a limit was reached. */
  refusedCalls: countSchema,
  /** Runs that passed a limit of one run. */
  limitErrors: countSchema,
  /** Bodies that came from and went to other hosts. */
  egressBytes: countSchema,
  /** Requests that tenants' code made to other hosts. */
  subrequests: countSchema,
  /** Estimated: at most so much. */
  cpuMs: countSchema,
  /** Wall clock of handlers. */
  durationMs: countSchema,
});
export type Usage = Readonly<z.infer<typeof usageSchema>>;

export const suspensionSchema = z.object({
  reason: z.string(),
  /** Name of an operator; null when the platform did it by itself. */
  by: z.string().nullable(),
  sinceMs: z.number().int(),
  /** When it ends by itself; null when an operator has to end it. */
  untilMs: z.number().int().nullable(),
});
export type Suspension = Readonly<z.infer<typeof suspensionSchema>>;

export const budgetUseSchema = z.object({
  /** Name of the limit. */
  limit: z.string(),
  used: countSchema,
  budget: countSchema,
  /** Rounded down. */
  percent: countSchema,
});
export type BudgetUse = Readonly<z.infer<typeof budgetUseSchema>>;

const periodUsageSchema = usageSchema.extend({
  fromMs: z.number().int(),
  untilMs: z.number().int(),
});

export const usageReportSchema = z.object({
  /** Null when payments are taken. */
  suspension: suspensionSchema.nullable(),
  today: periodUsageSchema,
  month: periodUsageSchema,
  budgets: z.array(budgetUseSchema),
});
export type UsageReport = Readonly<z.infer<typeof usageReportSchema>>;

export const suspendRequestSchema = z.strictObject({
  reason: reasonSchema,
  /** When it ends by itself: ISO 8601. Without it, an operator has to end it. */
  expiresAt: z.iso
    .datetime({ offset: true, message: "must be a time such as 2027-01-31T00:00:00Z" })
    .transform((text) => Date.parse(text))
    .optional(),
});
export const resumeRequestSchema = z.strictObject({ reason: reasonSchema });

export const suspensionStateSchema = z.object({ suspension: suspensionSchema.nullable() });
export type SuspensionState = z.infer<typeof suspensionStateSchema>;
