/**
 * The facilitators as the rest of the platform sees them: verify anywhere, settle where told. Works for the
 * dispatcher and inside the ledger's alarm alike.
 */
import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import { configOf } from "../config.ts";
import type { WirePayment } from "../payment/wire.ts";
import type { SettleOutcome, VerifyOutcome } from "../settlement/outcome.ts";
import { type BackgroundContext, HealthCache } from "./health-cache.ts";
import type { PaymentKind } from "./payment-kind.ts";
import type { ExpectedTransfer, FacilitatorId } from "./port.ts";
import { RoutedFacilitators } from "./routed-facilitators.ts";

export interface VerifyRequest {
  readonly kind: PaymentKind;
  /** Whether the signature was recovered to the payer already: then "invalid signature" is doubted. */
  readonly signatureProved: boolean;
  /** Whose call it is: a facilitator that limits us is shared fairly between tenants. */
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

export interface FacilitatorGateway {
  /**
   * Verifies at the first facilitator that answers: verifying moves no money, so it fails over freely within the
   * deadline. A rejection that contradicts our own checks is put to one other facilitator before it is believed.
   */
  verify(payment: WirePayment, request: VerifyRequest): Promise<VerifyResult>;
  /** Facilitators that may settle a payment of this kind, in order of preference. */
  candidatesForSettle(
    kind: PaymentKind,
    boundFacilitatorId: FacilitatorId | null,
  ): readonly FacilitatorId[];
  /** Makes exactly one attempt. What to do about its outcome is the ledger's to decide. */
  settle(
    facilitatorId: FacilitatorId,
    payment: WirePayment,
    expected: ExpectedTransfer,
  ): Promise<SettleOutcome>;
}

const caches = new WeakMap<object, HealthCache>();

/** The gateway of this environment; its view of health is shared by the whole isolate. */
export function facilitatorGateway(env: Env, context: BackgroundContext): FacilitatorGateway {
  let cache = caches.get(env);
  if (cache === undefined) {
    cache = new HealthCache({
      client: facilitatorHealthOf(env),
      instanceId: crypto.randomUUID(),
    });
    caches.set(env, cache);
  }
  return new RoutedFacilitators({ facilitators: configOf(env).facilitators, cache, context });
}
