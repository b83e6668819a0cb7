/** What a tenant's ledger still has to do, and whose money it still holds: what stands in the way of a deletion. */
import * as z from "zod";

export const openBusinessSchema = z.object({
  /** Calls that are being worked on. */
  callsInFlight: z.number().int(),
  /** Payments that are not decided, not confirmed on the chain yet, or may still land. */
  payments: z.number().int(),
  /** Payouts and refunds, likewise. */
  payouts: z.number().int(),
  /** Assets of which anything is owed: to the tenant, to payers, or to whoever sent a deposit. */
  balances: z.array(
    z.object({
      asset: z.string(),
      payableAtomic: z.string(),
      inFlightAtomic: z.string(),
      creditsAtomic: z.string(),
      unclaimedAtomic: z.string(),
    }),
  ),
});
export type OpenBusiness = z.infer<typeof openBusinessSchema>;

/** Whether nothing is open. What is left in `fees` is the platform's. */
export function isSettledUp({ callsInFlight, payments, payouts, balances }: OpenBusiness): boolean {
  return callsInFlight + payments + payouts + balances.length === 0;
}
