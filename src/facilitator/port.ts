/** The one port to facilitators, for the dispatcher and the ledger's alarm alike: verify anywhere, settle where told. */
import type { WirePayment } from "../payment/wire.ts";
import type { ListedKind, PaymentKind, RequestedKind } from "./payment-kind.ts";
import type { SettleOutcome, VerifyOutcome } from "../settlement/outcome.ts";

/** Configured name of a facilitator, for example `payai`; unique in the ordered list. */
export type FacilitatorId = string;

/** What the outcome of a settlement must agree with before `settled` is believed. */
export interface ExpectedTransfer {
  /** CAIP-2 network; a v1 facilitator answers with its v1 name. */
  readonly network: string;
  readonly payer: string;
  readonly amountAtomic: bigint;
}

export interface VerifyRequest {
  readonly kind: RequestedKind;
  /** Whether the signature was recovered to the payer already: then "invalid signature" is doubted. */
  readonly signatureProved: boolean;
  /** Whose call it is: tenants may prefer a facilitator, and one that limits us is shared fairly between them. */
  readonly tenantId?: string;
  /** The facilitator that was quoted, for schemes bound to one. */
  readonly boundFacilitatorId?: FacilitatorId | null;
  /** When the caller stops waiting, milliseconds since the epoch; ten seconds from now when left out. */
  readonly deadlineMs?: number;
}

export interface VerifyResult {
  readonly outcome: VerifyOutcome;
  /** Who said so; the first in order when nobody could be asked. */
  readonly facilitatorId: FacilitatorId;
}

export interface SettleCandidates {
  /** In order of preference; empty only when none is configured for the network or operators closed them all. */
  readonly facilitatorIds: readonly FacilitatorId[];
  /** Behind them, because of their breakers: for a payment that those turned away unprocessed. */
  readonly lastResortIds: readonly FacilitatorId[];
}

/** The one facilitator that a quote of a bound scheme is good for. */
export interface QuotedFacilitator {
  readonly facilitatorId: FacilitatorId;
  /** What the quote has to carry of it, as it lists the kind: its fee payer, or the address that may settle. */
  readonly extra: ListedKind["extra"];
}

export interface FacilitatorGateway {
  /**
   * Verifies at the first facilitator that answers: verifying moves no money, so it fails over freely within the
   * deadline. A rejection that contradicts our own checks is put to one other facilitator before it is believed.
   */
  verify(payment: WirePayment, request: VerifyRequest): Promise<VerifyResult>;
  /** Facilitators that may settle a payment of this kind, for a caller who goes on to settle it now. */
  candidatesForSettle(
    kind: RequestedKind,
    boundFacilitatorId: FacilitatorId | null,
    tenantId?: string,
  ): SettleCandidates;
  /**
   * Whom to quote for a kind that `isFacilitatorBound`: the first that lists it and is well, at verify and at settle; the
   * least ill when none is. The payment has to go there (`boundFacilitatorId`), so each quote chooses anew. Null when
   * nobody who may serve it was ever heard to list it: then it can't be offered. Waits for nothing, except for an
   * isolate's first copy of the shared health.
   */
  facilitatorForQuote(kind: PaymentKind, tenantId?: string): Promise<QuotedFacilitator | null>;
  /** Makes exactly one attempt. What to do about its outcome is the ledger's to decide. */
  settle(
    facilitatorId: FacilitatorId,
    payment: WirePayment,
    expected: ExpectedTransfer,
  ): Promise<SettleOutcome>;
}
