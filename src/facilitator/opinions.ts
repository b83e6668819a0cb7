import type { VerifyReading } from "./classify.ts";
import type { FacilitatorId, VerifyResult } from "./port.ts";

/** What one facilitator said about a payment. */
export interface Opinion extends VerifyResult {
  /** Whether another facilitator should be asked before the payer is told. */
  readonly doubtful: boolean;
}

/** What facilitators said about one payment, one after the other: the first word that needs no second is the last. */
export class Opinions {
  readonly #signatureProved: boolean;
  #doubted: VerifyResult | null = null;
  #missed: VerifyResult | null = null;

  /** @param signatureProved then "invalid signature" is doubted: it contradicts our own check */
  constructor(signatureProved: boolean) {
    this.#signatureProved = signatureProved;
  }

  /** Whether nobody else has to be asked after this one. */
  isFinal({ outcome, doubtful }: Opinion): boolean {
    if (outcome.class === "unavailable") return false;
    return this.#doubted !== null || !(doubtful || this.#contradictsUs(outcome));
  }

  /** Keeps one that is not final, in case nobody has a better one. */
  keep({ outcome, facilitatorId }: Opinion): void {
    const result: VerifyResult = { outcome, facilitatorId };
    if (outcome.class === "unavailable") this.#missed = sooner(this.#missed ?? result, result);
    else this.#doubted = result;
  }

  /** Whose rejection this final opinion shows to be wrong; null when there is none. */
  contradicts({ outcome }: Opinion): FacilitatorId | null {
    return outcome.class === "valid" ? (this.#doubted?.facilitatorId ?? null) : null;
  }

  /** Whether somebody turned the payment down, if not beyond doubt. */
  get hasRejection(): boolean {
    return this.#doubted !== null;
  }

  /** When none was final: a rejection that nobody contradicted, else that nobody could be asked. */
  best(): VerifyResult | null {
    return this.#doubted ?? this.#missed;
  }

  #contradictsUs(outcome: VerifyReading["outcome"]): boolean {
    return (
      this.#signatureProved && outcome.class === "invalid" && outcome.reason === "invalid_signature"
    );
  }
}

/** Of two that gave no answer, the one that can be asked again first, as far as they said. */
function sooner(left: VerifyResult, right: VerifyResult): VerifyResult {
  return retryAfterOf(right) < retryAfterOf(left) ? right : left;
}

function retryAfterOf({ outcome }: VerifyResult): number {
  return (
    (outcome.class === "unavailable" ? outcome.retryAfterMs : null) ?? Number.POSITIVE_INFINITY
  );
}
