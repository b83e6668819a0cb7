import type { StageRequest } from "../../src/contracts/ledger.ts";

/** A reference to another payment's body would hand its answer out. */
export function assertOwnBody({ tenantId, grant, response }: StageRequest): void {
  if (response === null || response.body instanceof Uint8Array) return;
  if (!response.body.key.startsWith(`${tenantId}/${grant.paymentId}/`)) {
    throw new Error(`the body staged for ${grant.paymentId} is another payment's`);
  }
}
