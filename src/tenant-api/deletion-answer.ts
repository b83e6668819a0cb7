import type { OpenBusiness } from "../contracts/open-business.ts";
import type { DeletedTenant } from "../contracts/tenant-lifecycle.ts";
import { problem } from "../payment/problems/problem.ts";
import type { Deletion } from "../tenant/delete-tenant.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import { refuse } from "./request.ts";

/** What whoever asked for a deletion is told. */
export function deletionAnswer(tenantId: TenantId, deletion: Deletion): Response {
  if (deletion.result === "not_empty") {
    return problem("tenant_not_empty", {
      detail: `Nothing was changed: ${describe(deletion.open)}.`,
      extra: { open: { ...deletion.open } },
    });
  }
  return Response.json({ tenantId, deletedAtMs: deletion.deletedAtMs } satisfies DeletedTenant);
}

/** null when the id was given once more. */
export function refuseUnconfirmed(tenantId: TenantId, confirm: string): Response | null {
  return confirm === tenantId
    ? null
    : refuse("invalid_request", [{ field: "confirm", message: `must be ${tenantId}` }]);
}

function describe({ callsInFlight, payments, payouts, balances }: OpenBusiness): string {
  const sentences = [
    ...(callsInFlight > 0 ? [`${callsInFlight} calls are being answered`] : []),
    ...(payments > 0 ? [`${payments} payments are not decided or not confirmed yet`] : []),
    ...(payouts > 0 ? [`${payouts} payouts or refunds are on their way`] : []),
    ...balances.flatMap(({ payableAtomic, inFlightAtomic, creditsAtomic, unclaimedAtomic }) => [
      ...(payableAtomic === "0" ? [] : [`${payableAtomic} atomic units are to be paid out`]),
      ...(inFlightAtomic === "0" ? [] : [`${inFlightAtomic} are on their way`]),
      ...(creditsAtomic === "0" ? [] : [`${creditsAtomic} are to be refunded to payers`]),
      ...(unclaimedAtomic === "0" ? [] : [`${unclaimedAtomic} were deposited by mistake`]),
    ]),
  ];
  return sentences.join(", ");
}
