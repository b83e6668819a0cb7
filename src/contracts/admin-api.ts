/** Bodies of the operators' HTTP interface (`/admin/*`): one schema for server, dashboard and tests. */
import * as z from "zod";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { openBusinessSchema } from "./open-business.ts";
import { collectionSchema, columnSchema, planIdSchema, routeSchema } from "./snapshot.ts";
import { balanceSchema } from "./tenant-api.ts";
import { suspensionSchema } from "./usage.ts";

export const auditEntrySchema = z.object({
  auditId: z.number().int(),
  atMs: z.number().int(),
  actor: z.enum(["operator", "tenant"]),
  /** Name; null for tenants, and for what happened before operators were named. */
  operator: z.string().nullable(),
  /** `platform` when it is about no tenant. */
  tenantId: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});

export const auditListSchema = z.object({
  /** Newest first. */
  entries: z.array(auditEntrySchema),
  /** Pass as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type AuditList = z.infer<typeof auditListSchema>;

export const adminTenantSchema = z.object({
  tenantId: tenantIdSchema,
  /** Immutable number; the deposit account derives from it. */
  serial: z.number().int(),
  plan: planIdSchema,
  wallet: z.string(),
  collection: collectionSchema,
  network: z.string(),
  payTo: z.string(),
  status: z.enum(["active", "deleted"]),
  /** Version of the deployment on sale; null before the first one. */
  activeVersion: z.number().int().nullable(),
  createdAtMs: z.number().int(),
  deletedAtMs: z.number().int().nullable(),
});

export const adminTenantListSchema = z.object({
  tenants: z.array(adminTenantSchema),
  /** Pass as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type AdminTenantList = z.infer<typeof adminTenantListSchema>;

export const adminTenantDetailSchema = adminTenantSchema.extend({
  /** The deployment on sale; null before the first one. */
  deploymentId: z.string().nullable(),
  /** What is sold now. */
  routes: z.array(routeSchema),
  /** Newest versions. */
  datasets: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      columns: z.array(columnSchema),
      key: z.string().nullable(),
      indexes: z.array(z.string()),
      rows: z.number().int(),
      bytes: z.number().int(),
      createdAtMs: z.number().int(),
    }),
  ),
  /** Never the keys nor their hashes. */
  apiKeys: z.array(
    z.object({
      prefix: z.string(),
      createdAtMs: z.number().int(),
      expiresAtMs: z.number().int().nullable(),
      revokedAtMs: z.number().int().nullable(),
    }),
  ),
  /** Null when payments are taken. */
  suspension: suspensionSchema.nullable(),
  /** What its ledger still has to do, and whose money it holds. */
  open: openBusinessSchema,
  balance: balanceSchema,
  /** Newest first. */
  audit: z.array(auditEntrySchema),
});
export type AdminTenantDetail = z.infer<typeof adminTenantDetailSchema>;
