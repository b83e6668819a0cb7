/** What a run over a limit of its tenant comes to: nothing is sold, and it is logged and counted. */
import { waitUntil } from "cloudflare:workers";
import { problem } from "../payment/problems/problem.ts";
import { countLimitExceedance } from "../tenant/directory/limit-exceedances.ts";
import type { TenantId } from "../tenant/tenant-id.ts";

/** Time for whatever made the run so expensive to pass; nobody can know how long that takes. */
const RETRY_AFTER_SECONDS = 10;

export interface Exceedance {
  readonly tenantId: TenantId;
  /** Path of the route. */
  readonly route: string;
  readonly limit: string;
}

export function reportExceedance(db: D1Database, { tenantId, route, limit }: Exceedance): void {
  console.warn(JSON.stringify({ event: "tenant_limit_exceeded", tenantId, route, limit }));
  waitUntil(countLimitExceedance(db, { tenantId, limit, atMs: Date.now() }));
}

/** Reports it, and says so to the caller. @param used what there was too much of, for example `CPU time` */
export function answerExceedance(db: D1Database, exceedance: Exceedance, used: string): Response {
  reportExceedance(db, exceedance);
  return problem("tenant_limit_exceeded", {
    detail: `What is behind this route used more ${used} than its plan allows.`,
    headers: { "Retry-After": `${RETRY_AFTER_SECONDS}` },
    extra: { limit: exceedance.limit },
  });
}
