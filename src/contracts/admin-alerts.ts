/**
 * Bodies of `/admin/alerts`: what operators are told, by whichever webhook, and what became of telling them. Times are
 * milliseconds since the epoch.
 */
import * as z from "zod";
import { ledgerAlertSchema, reasonSchema } from "./admin-payments.ts";

export const alertSeveritySchema = z.enum(["info", "warning", "critical"]);
export type AlertSeverity = z.infer<typeof alertSeveritySchema>;

/** An alert as webhooks get it, too. */
export const platformAlertSchema = ledgerAlertSchema.extend({
  /** Unique over the whole platform, in the order of arrival. */
  alertId: z.number().int(),
  /** `platform` when it is about no tenant. */
  tenantId: z.string(),
  severity: alertSeveritySchema,
});
export type PlatformAlert = z.infer<typeof platformAlertSchema>;

export const alertDeliverySchema = z.object({
  /** Id of the webhook in the configuration. */
  endpointId: z.string(),
  state: z.enum(["pending", "delivered", "dead"]),
  attempts: z.number().int(),
  /** When it is sent (again); null when it is not. */
  dueAtMs: z.number().int().nullable(),
  /** When it was delivered or given up. */
  endedAtMs: z.number().int().nullable(),
  /** Of the last attempt that failed. */
  lastError: z.string().nullable(),
});
export type AlertDelivery = z.infer<typeof alertDeliverySchema>;

export const platformAlertListSchema = z.object({
  /** The newest to arrive first. */
  alerts: z.array(platformAlertSchema.extend({ deliveries: z.array(alertDeliverySchema) })),
  nextCursor: z.string().nullable(),
});
export type PlatformAlertList = z.infer<typeof platformAlertListSchema>;

export const deadLetterSchema = alertDeliverySchema
  .omit({ state: true, dueAtMs: true })
  .extend({ deadLetterId: z.number().int(), alert: platformAlertSchema });
export type DeadLetter = z.infer<typeof deadLetterSchema>;

export const deadLetterListSchema = z.object({
  /** Newest alerts first. */
  deadLetters: z.array(deadLetterSchema),
  nextCursor: z.string().nullable(),
});
export type DeadLetterList = z.infer<typeof deadLetterListSchema>;

export const redeliverRequestSchema = z.strictObject({ reason: reasonSchema });
