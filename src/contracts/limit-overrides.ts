/** Bodies of `/v1/limits`, `/v1/limit-overrides` and `/admin/limit-overrides`. */
import * as z from "zod";
import { CEILINGS, LIMIT_NAMES, limitsSchema, limitValuesSchema } from "../tenant/limits.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { reasonSchema } from "./admin-payments.ts";
import { planIdSchema } from "./snapshot.ts";

/** At least one limit, none over its ceiling. */
const raisedLimitsSchema = limitValuesSchema.partial().superRefine((limits, context) => {
  const named = LIMIT_NAMES.filter((name) => limits[name] !== undefined);
  if (named.length === 0) {
    context.addIssue({ code: "custom", message: "must name at least one limit" });
  }
  for (const name of named) {
    if ((limits[name] ?? 0) <= CEILINGS[name]) continue;
    const message = `must be at most ${CEILINGS[name]}, the ceiling for every tenant`;
    context.addIssue({ code: "custom", path: [name], message });
  }
});

export const requestOverrideSchema = z.strictObject({
  limits: raisedLimitsSchema,
  reason: reasonSchema,
});

export const approveOverrideSchema = z.strictObject({
  /** What is granted, where that is less than what was asked for. */
  limits: raisedLimitsSchema.optional(),
  /** When it ends by itself: ISO 8601. Without it, it stays until it is revoked. */
  expiresAt: z.iso
    .datetime({ offset: true, message: "must be a time such as 2027-01-31T00:00:00Z" })
    .transform((text) => Date.parse(text))
    .optional(),
  reason: reasonSchema,
});

export const decideOverrideSchema = z.strictObject({ reason: reasonSchema });

/** `expired` is what an approved one becomes at its time. */
export const overrideStatusSchema = z.enum([
  "requested",
  "approved",
  "denied",
  "revoked",
  "expired",
]);
export type OverrideStatus = z.infer<typeof overrideStatusSchema>;

export const overrideViewSchema = z.object({
  overrideId: z.string(),
  status: overrideStatusSchema,
  requested: limitValuesSchema.partial(),
  requestReason: z.string(),
  requestedAtMs: z.number().int(),
  /** Null unless it was approved. */
  approved: limitValuesSchema.partial().nullable(),
  /** Null when it has no end. */
  expiresAtMs: z.number().int().nullable(),
  /** Of the operators' last step; null before the first. */
  decisionReason: z.string().nullable(),
  decidedAtMs: z.number().int().nullable(),
});
export type OverrideView = z.infer<typeof overrideViewSchema>;

export const overrideListSchema = z.object({ overrides: z.array(overrideViewSchema) });
export type OverrideList = z.infer<typeof overrideListSchema>;

export const limitsAnswerSchema = z.object({
  plan: planIdSchema,
  /** In force now. */
  limits: limitsSchema,
  /** What the plan alone gives. */
  planLimits: limitsSchema,
  /** What no override passes. */
  ceilings: limitValuesSchema,
  /** In force now. */
  overrides: z.array(overrideViewSchema),
  /** How often calls passed a limit of one call, newest day (UTC) first. */
  exceedances: z.array(z.object({ day: z.string(), limit: z.string(), count: z.number().int() })),
});
export type LimitsAnswer = z.infer<typeof limitsAnswerSchema>;

export const adminOverrideSchema = overrideViewSchema.extend({
  tenantId: tenantIdSchema,
  plan: planIdSchema,
  /** Operator who took the last step. */
  decidedBy: z.string().nullable(),
});
export type AdminOverride = z.infer<typeof adminOverrideSchema>;

export const adminOverrideListSchema = z.object({
  overrides: z.array(adminOverrideSchema),
  /** Pass as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type AdminOverrideList = z.infer<typeof adminOverrideListSchema>;
