/** The claims of one ledger, in memory: by identity, and by request for the re-sign guard. */
import type { Claim } from "../../src/settlement/claim.ts";

/** Concurrent claims of one tenant; at a lease of about a minute this is far above what one object serves. */
export const CLAIMS_MAX = 20_000;

export class Claims {
  readonly #byIdentity = new Map<string, Claim>();
  /** Per (payer, request), oldest first. Mostly one: what is not the first was let past it. */
  readonly #byRequest = new Map<string, readonly Claim[]>();
  /** Per payer, by identity. */
  readonly #byPayer = new Map<string, Map<string, Claim>>();
  /** The newest with each payment identifier. */
  readonly #byIdentifier = new Map<string, Claim>();

  get size(): number {
    return this.#byIdentity.size;
  }

  /** Those whose edge may still be at work on them. */
  liveCount(nowMs: number): number {
    let count = 0;
    for (const { leaseExpiresAtMs } of this.#byIdentity.values()) {
      if (leaseExpiresAtMs > nowMs) count += 1;
    }
    return count;
  }

  of(identity: string): Claim | null {
    return this.#byIdentity.get(identity) ?? null;
  }

  /** By the id that its payer was told. Rarely asked for, so it is looked for. */
  ofPayment(paymentId: string): Claim | null {
    for (const claim of this.#byIdentity.values()) if (claim.paymentId === paymentId) return claim;
    return null;
  }

  /** The newest claim that came with this payment identifier. */
  ofIdentifier(identifierHash: string): Claim | null {
    return this.#byIdentifier.get(identifierHash) ?? null;
  }

  /** The payer's newest claim for a request. */
  ofRequest(payer: string, requestFingerprint: string): Claim | null {
    return this.#byRequest.get(requestKey({ payer, requestFingerprint }))?.at(-1) ?? null;
  }

  /** The payer's other claims for the same request. */
  othersOf(claim: Claim): Claim[] {
    return (this.#byRequest.get(requestKey(claim)) ?? []).filter(
      ({ identity }) => identity !== claim.identity,
    );
  }

  /** Lapsed ones included. */
  countOfPayer(payer: string): number {
    return this.#byPayer.get(payer)?.size ?? 0;
  }

  /** Those whose signature is known to be the payer's. Forgets the payer's lapsed claims first. */
  provedOfPayer(payer: string, nowMs: number): Claim[] {
    const claims = [...(this.#byPayer.get(payer)?.values() ?? [])];
    const live = claims.filter(({ leaseExpiresAtMs }) => leaseExpiresAtMs > nowMs);
    for (const claim of claims) if (!live.includes(claim)) this.remove(claim);
    return live.filter(({ signatureProved }) => signatureProved);
  }

  put(claim: Claim): void {
    this.#byIdentity.set(claim.identity, claim);
    const ofPayer = this.#byPayer.get(claim.payer) ?? new Map<string, Claim>();
    this.#byPayer.set(claim.payer, ofPayer.set(claim.identity, claim));
    this.#byRequest.set(requestKey(claim), [...this.othersOf(claim), claim]);
    const { identifierHash } = claim.proofs;
    if (identifierHash !== null) this.#byIdentifier.set(identifierHash, claim);
  }

  remove(claim: Claim): void {
    this.#byIdentity.delete(claim.identity);
    const ofPayer = this.#byPayer.get(claim.payer);
    ofPayer?.delete(claim.identity);
    if (ofPayer?.size === 0) this.#byPayer.delete(claim.payer);
    const { identifierHash } = claim.proofs;
    if (identifierHash !== null && this.ofIdentifier(identifierHash)?.identity === claim.identity) {
      this.#byIdentifier.delete(identifierHash);
    }
    const key = requestKey(claim);
    const others = this.othersOf(claim);
    if (others.length === 0) this.#byRequest.delete(key);
    else this.#byRequest.set(key, others);
  }

  /** Forgets claims whose lease has ended: their edge died, and nothing was charged. */
  removeLapsed(nowMs: number): void {
    for (const claim of this.#byIdentity.values()) {
      if (claim.leaseExpiresAtMs <= nowMs) this.remove(claim);
    }
  }
}

function requestKey(claim: Pick<Claim, "payer" | "requestFingerprint">): string {
  return `${claim.payer} ${claim.requestFingerprint}`;
}
