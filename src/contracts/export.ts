/**
 * `GET /v1/export`: everything the platform keeps of a tenant, a JSON document a line (NDJSON). A line says in `type`
 * what it is about; the last one is of type `end`, and an export without it is not whole. Amounts are decimal strings in
 * atomic units, times milliseconds since the epoch. Secrets, API keys and their hashes are not part of it.
 */
import * as z from "zod";
import { adminTenantSchema } from "./admin-api.ts";
import { depositSchema, refundSchema } from "./refunds.ts";
import { scriptBundleSchema, scriptReportSchema } from "./script.ts";
import { columnSchema } from "./snapshot.ts";
import { payoutSchema, receiptSchema } from "./tenant-api.ts";

export const exportTenantSchema = adminTenantSchema;

export const exportDeploymentSchema = z.object({
  deploymentId: z.string(),
  version: z.number().int(),
  createdAtMs: z.number().int(),
  /** As it was sent. */
  manifest: z.record(z.string(), z.json()),
});

/** Every version that was uploaded; its rows are an export of their own. */
export const exportDatasetSchema = z.object({
  name: z.string(),
  version: z.string(),
  columns: z.array(columnSchema),
  key: z.string().nullable(),
  indexes: z.array(z.string()),
  rows: z.number().int(),
  bytes: z.number().int(),
  createdAtMs: z.number().int(),
  /** Answers the rows as NDJSON. */
  rowsUrl: z.string(),
});

/** The newest upload of a name, with its code. */
export const exportScriptSchema = scriptReportSchema.extend({
  createdAtMs: z.number().int(),
  bundle: scriptBundleSchema,
});

/** Entries of one posting sum to zero. */
export const journalPostingSchema = z.object({
  /** Id of the payment, payout, refund or deposit. */
  sourceId: z.string(),
  posting: z.number().int(),
  kind: z.string(),
  asset: z.string(),
  atMs: z.number().int(),
  entries: z.array(z.object({ account: z.string(), amountAtomic: z.string() })),
});

export const exportAuditSchema = z.object({
  auditId: z.number().int(),
  atMs: z.number().int(),
  /** Which operator it was is the platform's to know. */
  actor: z.enum(["operator", "tenant"]),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});

export const exportLineSchema = z.discriminatedUnion("type", [
  exportTenantSchema.extend({ type: z.literal("tenant") }),
  exportDeploymentSchema.extend({ type: z.literal("deployment") }),
  exportDatasetSchema.extend({ type: z.literal("dataset") }),
  exportScriptSchema.extend({ type: z.literal("script") }),
  receiptSchema.extend({ type: z.literal("receipt") }),
  payoutSchema.extend({ type: z.literal("payout") }),
  refundSchema.extend({ type: z.literal("refund") }),
  depositSchema.extend({ type: z.literal("deposit") }),
  journalPostingSchema.extend({ type: z.literal("posting") }),
  exportAuditSchema.extend({ type: z.literal("audit") }),
  z.object({
    type: z.literal("end"),
    /** How many there were before this one. */
    lines: z.number().int(),
  }),
]);
export type ExportLine = z.infer<typeof exportLineSchema>;

// Messages of the ledger.

export interface ExportQuery {
  readonly section: "postings" | "payouts" | "refunds";
  /** `nextCursor` of the page before. */
  readonly cursor: string | null;
  /** 1 to 500. */
  readonly limit: number;
}

export interface ExportPage {
  readonly lines: readonly Extract<ExportLine, { type: "posting" | "payout" | "refund" }>[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}
