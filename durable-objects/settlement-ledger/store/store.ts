/**
 * What the ledger needs from its storage. The SQLite rows implement it in the object; the simulation and the model
 * tests bring an implementation in memory. Everything is synchronous, and `transaction` is all or nothing.
 */
import type { StoredResponse } from "../../../src/contracts/ledger.ts";
import type { WirePayment } from "../../../src/payment/wire.ts";
import type { Superseded } from "../../../src/settlement/claim.ts";
import type { TransferEvidence } from "../../../src/settlement/evidence.ts";
import type { Account, Posting } from "../../../src/settlement/journal.ts";
import type { Payment } from "../../../src/settlement/payment.ts";
import type { AlertKind } from "../../../src/settlement/event.ts";

/** What a receipt says about the request; fixed when the payment is staged. */
export interface PaidRequest {
  readonly routePath: string;
  readonly method: string;
  readonly url: string;
}

export interface PaymentStore {
  byId(paymentId: string): Payment | null;
  byIdentity(identity: string): Payment | null;
  /** The one payment that came with this payment identifier. */
  byIdentifier(identifierHash: string): Payment | null;
  /** The payer's newest payment for the same request that may still land, or has an answer that was never given. */
  latestUnanswered(payer: string, requestFingerprint: string): Payment | null;
  /** Ids of payments that are due, the longest-waiting first. */
  due(nowMs: number, limit: number): string[];
  /** When the next payment is due; null when none is. */
  nextDueAtMs(): number | null;
  insert(payment: Payment, request: PaidRequest, wire: WirePayment | null): void;
  /** Writes what a transition can change; identity, amounts and request never do. */
  update(payment: Payment): void;
  /** What facilitators are sent; null while a payout is not signed. */
  wireOf(paymentId: string): WirePayment | null;
  setWire(paymentId: string, wire: WirePayment): void;
  /** Which payment a log already proves, if any. */
  paymentProvedBy(
    network: string,
    log: Pick<TransferEvidence, "transaction" | "logIndex">,
  ): string | null;
  /** Replaces the evidence of a payment; null removes it (a reorganisation took the block away). */
  setEvidence(payment: Payment, evidence: TransferEvidence | null): void;
}

export interface SupersededStore {
  get(identity: string): Superseded | null;
  put(superseded: Superseded, nowMs: number): void;
  /**
   * Removes those that were valid until this time at most, the oldest first; not while the payment that stands in for
   * one may still land.
   * @returns how many
   */
  removeLapsed(validBeforeMs: number, limit: number): number;
}

/** A response whose retention has ended. */
export interface ExpiredResponse {
  readonly paymentId: string;
  /** Key of its body's object; null when the body is in the rows. */
  readonly objectKey: string | null;
}

export interface ExpiredObject {
  readonly paymentId: string;
  readonly objectKey: string;
}

export interface ResponseStore {
  put(paymentId: string, response: StoredResponse, expiresAtMs: number): void;
  get(paymentId: string): StoredResponse | null;
  /** Oldest first. */
  expired(nowMs: number, limit: number): ExpiredResponse[];
  nextExpiryAtMs(): number | null;
  remove(paymentId: string): void;
  /** Keeps a response that can't be removed yet until the given time. */
  extend(paymentId: string, expiresAtMs: number): void;
}

export interface JournalStore {
  append(posting: Posting, nowMs: number): void;
  /** Signed balance in atomic units; accounts that say what is owed are negative. */
  balance(asset: string, account: Account): bigint;
}

/** Transfers to the deposit account that are booked although they prove no payment. */
export interface DepositStore {
  /** Takes a log out of the unclaimed deposits, if it is there: it proves a payment after all. */
  claim(payment: Payment, evidence: TransferEvidence, nowMs: number): void;
  /** Whether it was given back to whoever sent it, or is about to be: it can't pay for anything any more. */
  isGivenBack(network: string, evidence: TransferEvidence): boolean;
}

export interface AlertStore {
  append(kind: AlertKind, paymentId: string, detail: string, nowMs: number): void;
}

export interface LedgerStore {
  readonly payments: PaymentStore;
  readonly superseded: SupersededStore;
  readonly responses: ResponseStore;
  readonly journal: JournalStore;
  readonly deposits: DepositStore;
  readonly alerts: AlertStore;
  /** Runs synchronously; a throw undoes every write. */
  transaction<Result>(run: () => NotPromise<Result>): Result;
  /** Makes sure the alarm fires at this time or before. Part of the transaction it is called in. */
  wakeAt(atMs: number): void;
}

/** An async callback would leave the transaction at its first `await`, silently. */
export type NotPromise<Result> = Result extends PromiseLike<unknown> ? never : Result;
