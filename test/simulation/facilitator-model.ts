/** A facilitator that fails in every way a real one was seen to fail (x402 facts, section 4), and in any order. */
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import { type ChainModel, identityOf } from "./chain-model.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** The caller's own deadline for a settle call. */
export const SETTLE_TIMEOUT_MS = 20_000;

type Fault =
  | "none"
  | "refused_connection"
  | "refuse"
  | "error_before"
  | "error_after"
  | "hang_before"
  | "hang_after"
  | "pending"
  | "lie";

const FAULTS: readonly [Fault, ...Fault[]] = [
  "refused_connection",
  "refuse",
  "error_before",
  "error_after",
  "hang_before",
  "hang_after",
  "pending",
  "lie",
];

export class FacilitatorModel {
  readonly id: string;
  readonly #chain: ChainModel;
  readonly #clock: Clock;
  readonly #random: Random;
  /** What it broadcast and still follows: a repeated settle is answered from here. */
  readonly #broadcast = new Map<string, string>();
  /** Identities it called settled without broadcasting anything. */
  readonly lies = new Set<string>();
  faultRate = 0;

  constructor(id: string, chain: ChainModel, clock: Clock, random: Random) {
    this.id = id;
    this.#chain = chain;
    this.#clock = clock;
    this.#random = random;
  }

  async verify(authorization: Authorization): Promise<"valid" | "invalid" | "unavailable"> {
    await this.#clock.sleep(this.#random.between(10, 100));
    if (this.#random.chance(this.faultRate / 2)) return "unavailable";
    const used = this.#chain.usedBy(identityOf(authorization)) !== null;
    return used || this.#clock.nowMs >= authorization.validBeforeMs ? "invalid" : "valid";
  }

  async settle(authorization: Authorization): Promise<SettleOutcome> {
    const fault = this.#random.chance(this.faultRate) ? this.#random.pick(FAULTS) : "none";
    await this.#clock.sleep(this.#random.between(10, 200));
    if (fault === "refused_connection") {
      return { class: "unavailable", reason: "connection_refused", retryAfterMs: null };
    }
    // Sees an empty wallet, perhaps because an earlier attempt has just emptied it.
    if (fault === "refuse") return { class: "refused", reason: "insufficient_funds" };
    if (fault === "error_before") return ambiguous("http_500");
    if (fault === "hang_before") return this.#timeout();
    if (fault === "lie") {
      this.lies.add(identityOf(authorization));
      return { class: "settled", transaction: "0xdeadbeef" };
    }
    const known = this.#broadcast.get(identityOf(authorization));
    if (known !== undefined && this.#chain.isMined(known)) {
      return { class: "settled", transaction: known };
    }
    const used = this.#chain.usedBy(identityOf(authorization));
    if (used !== null) return ambiguous("nonce_already_used");
    if (this.#clock.nowMs >= authorization.validBeforeMs - 6_000) {
      return { class: "refused", reason: "valid_before" };
    }
    const hash = this.#chain.broadcast("transfer", identityOf(authorization), authorization);
    this.#broadcast.set(identityOf(authorization), hash);
    if (fault === "error_after") return ambiguous("http_502");
    if (fault === "hang_after") return this.#timeout();
    if (fault === "pending") return { class: "pending", transaction: hash };
    return this.#receipt(hash);
  }

  /** Waits for the block, as long as a real facilitator would. */
  async #receipt(hash: string): Promise<SettleOutcome> {
    for (let waitedMs = 0; waitedMs < SETTLE_TIMEOUT_MS - 2_000; waitedMs += 500) {
      if (this.#chain.isMined(hash)) return { class: "settled", transaction: hash };
      await this.#clock.sleep(500);
    }
    return ambiguous("transaction_failed");
  }

  async #timeout(): Promise<SettleOutcome> {
    await this.#clock.sleep(SETTLE_TIMEOUT_MS);
    return ambiguous("timeout");
  }
}

function ambiguous(reason: string): SettleOutcome {
  return { class: "ambiguous", reason, transaction: null };
}
