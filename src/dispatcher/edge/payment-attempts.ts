/**
 * What payments that come to nothing may cost. Whoever signs, or lets others sign, what is never charged is slowed
 * down before a ledger or a facilitator is asked. Counted per isolate, in memory: generous to whoever is honest, and a
 * bound on what one caller gets out of one isolate. Only a proved signature counts against its payer, and only at the
 * address that sent it, because on the chain a signature is there for everybody: nobody uses up somebody else's
 * allowance.
 */
import { LeakyCounts } from "../../leaky-counts.ts";
import type { TenantId } from "../../tenant/tenant-id.ts";

/**
 * Payments of one address to one tenant whose signature is not an account's own: a contract wallet's, which only a
 * facilitator can check, or nobody's. What is charged in the end is not counted, so these are what may be in flight.
 */
export const UNPROVED_MAX = 20;
export const UNPROVED_FORGOTTEN_AFTER_MS = 3_000;

/** Payments of one payer and address that came to nothing, in a row; then one more per `PAYER_FORGOTTEN_AFTER_MS`. */
export const PAYER_FAILURES_MAX = 120;
export const PAYER_FORGOTTEN_AFTER_MS = 500;

/**
 * The same per address, behind which there may be many payers. It is looked at before a signature is, and so is what
 * bounds the work of recovering signatures of somebody who sends nothing but forged ones.
 */
export const ADDRESS_FAILURES_MAX = 1_200;
export const ADDRESS_FORGOTTEN_AFTER_MS = 50;

/** One send of a payment. */
export interface PaymentAttempt {
  readonly tenantId: TenantId;
  /** Null when it is not known. */
  readonly address: string | null;
  /** Who has signed; null when that is not proved. */
  readonly payer: string | null;
}

export class PaymentAttempts {
  readonly #unproved = new LeakyCounts(UNPROVED_FORGOTTEN_AFTER_MS);
  readonly #failuresOfPayer = new LeakyCounts(PAYER_FORGOTTEN_AFTER_MS);
  readonly #failuresOfAddress = new LeakyCounts(ADDRESS_FORGOTTEN_AFTER_MS);

  /** How long payments of an address have to wait, in milliseconds; null when they may go on. */
  addressWaitMs(address: string | null, nowMs: number): number | null {
    const failures = address === null ? 0 : this.#failuresOfAddress.of(address, nowMs);
    return failures >= ADDRESS_FAILURES_MAX ? ADDRESS_FORGOTTEN_AFTER_MS : null;
  }

  /** How long this one has to wait, in milliseconds; null when it may go on, and is ended by `end`. */
  begin(attempt: PaymentAttempt, nowMs: number): number | null {
    const { address, payer } = attempt;
    if (payer !== null) {
      const failures = this.#failuresOfPayer.of(payerKey(attempt), nowMs);
      return failures >= PAYER_FAILURES_MAX ? PAYER_FORGOTTEN_AFTER_MS : null;
    }
    if (address === null) return null;
    const key = unprovedKey(attempt);
    if (this.#unproved.of(key, nowMs) >= UNPROVED_MAX) {
      this.#failuresOfAddress.add(address, nowMs);
      return UNPROVED_FORGOTTEN_AFTER_MS;
    }
    this.#unproved.add(key, nowMs);
    return null;
  }

  /** @param cameToNothing whether it was refused, for a reason that is its sender's */
  end(attempt: PaymentAttempt, cameToNothing: boolean, nowMs: number): void {
    const { address, payer } = attempt;
    if (!cameToNothing) {
      if (payer === null && address !== null) this.#unproved.takeBack(unprovedKey(attempt));
      return;
    }
    if (payer !== null) this.#failuresOfPayer.add(payerKey(attempt), nowMs);
    if (address !== null) this.#failuresOfAddress.add(address, nowMs);
  }
}

function unprovedKey({ tenantId, address }: PaymentAttempt): string {
  return `${tenantId} ${address ?? ""}`;
}

function payerKey({ address, payer }: PaymentAttempt): string {
  return `${payer ?? ""} ${address ?? ""}`;
}
