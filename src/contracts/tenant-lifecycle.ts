/** Bodies of `DELETE /v1/tenant` and `POST /admin/tenants/{id}/delete`. */
import * as z from "zod";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { reasonSchema } from "./admin-payments.ts";

export const deleteTenantRequestSchema = z.strictObject({
  reason: reasonSchema,
  /** The tenant's id once more: there is no way back. */
  confirm: z.string(),
});

/** `DELETE` has no body; the same, in the query. */
export const deleteOwnTenantQuerySchema = z.strictObject({
  confirm: z.string(),
  reason: reasonSchema.default("deleted by its owner"),
});

export const deletedTenantSchema = z.object({
  tenantId: tenantIdSchema,
  deletedAtMs: z.number().int(),
});
export type DeletedTenant = z.infer<typeof deletedTenantSchema>;
