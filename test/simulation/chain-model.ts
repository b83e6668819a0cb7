/**
 * A chain with blocks, a mempool, reorganisations and finality, of one EIP-3009 token. It is the simulation's truth:
 * what moved here, moved.
 */
import type { ChainReader } from "../../src/chain/port.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import type { TransferEvidence } from "../../src/settlement/evidence.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export const BLOCK_MS = 2_000;
const FINALITY_BLOCKS = 6;
/** As in production: how far clocks may be apart before a transfer counts as older than the claim it would prove. */
const CLOCK_SKEW_MAX_MS = 60_000;
export const CONFIRMATIONS = 3;

interface Transaction {
  readonly hash: string;
  readonly kind: "transfer" | "cancel";
  readonly identity: string;
  readonly authorization: Authorization;
}

interface Block {
  readonly number: number;
  readonly hash: string;
  readonly timestampMs: number;
  readonly transactions: readonly Transaction[];
}

export class ChainModel {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #blocks: Block[] = [];
  #mempool: Transaction[] = [];
  #sequence = 0;
  /** Identities whose transfer was mined once and then reorganised away. */
  readonly undone = new Set<string>();
  /** Blocks that were once as deep as a confirmation: reorganisations in a row do not reach them either. */
  #blocksKept = 1;
  /** Share of reads that fail. */
  rpcFaultRate = 0;
  /** Chance per block that the newest blocks are replaced. */
  reorgRate = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#mine();
  }

  /** Hands a transaction to the network; it is mined within a few blocks, or reverts there. */
  broadcast(kind: Transaction["kind"], identity: string, authorization: Authorization): string {
    this.#sequence += 1;
    const hash = `0x${this.#sequence.toString(16).padStart(8, "0")}`;
    this.#mempool.push({ hash, kind, identity, authorization });
    return hash;
  }

  /** How the authorization was used up in the chain as it stands now. */
  usedBy(identity: string): { kind: Transaction["kind"]; transaction: string } | null {
    for (const block of this.#blocks) {
      const used = block.transactions.find((each) => each.identity === identity);
      if (used !== undefined) return { kind: used.kind, transaction: used.hash };
    }
    return null;
  }

  isMined(hash: string): boolean {
    return this.#blocks.some(({ transactions }) => transactions.some((each) => each.hash === hash));
  }

  /** Identities whose transfer is in the chain. */
  transfers(): Set<string> {
    return new Set(
      this.#blocks.flatMap(({ transactions }) =>
        transactions.flatMap(({ kind, identity }) => (kind === "transfer" ? identity : [])),
      ),
    );
  }

  reader(): ChainReader {
    return {
      findAuthorization: async (authorization, notBeforeMs) => {
        await this.#latency();
        if (this.#random.chance(this.rpcFaultRate)) {
          return { found: "unavailable", reason: "fault" };
        }
        const identity = identityOf(authorization);
        const transfer = this.#find(identity, notBeforeMs);
        if (transfer !== null) return { found: "transfer", transfer };
        const used = this.usedBy(identity);
        if (used?.kind === "cancel") return { found: "canceled", transaction: used.transaction };
        if (used !== null) return { found: "used_otherwise", transaction: used.transaction };
        const finalized = this.#blocks.at(-1 - FINALITY_BLOCKS);
        return finalized !== undefined && finalized.timestampMs >= authorization.validBeforeMs
          ? { found: "expired", finalizedBlockTimestampMs: finalized.timestampMs }
          : { found: "unused" };
      },
      confirmTransfer: async (authorization, _transaction, notBeforeMs) => {
        await this.#latency();
        if (this.#random.chance(this.rpcFaultRate)) {
          return { found: "unavailable", reason: "fault" };
        }
        const transfer = this.#find(identityOf(authorization), notBeforeMs);
        if (transfer === null) {
          // As in production: "missing" only once the node is well past the claim.
          const head = this.#blocks.at(-1);
          return head !== undefined && head.timestampMs > notBeforeMs + 60_000
            ? { found: "missing" }
            : { found: "shallow", confirmations: 0 };
        }
        const depth = this.#blocks.length - 1 - Number(transfer.blockNumber);
        return depth >= CONFIRMATIONS
          ? { found: "confirmed", transfer }
          : { found: "shallow", confirmations: depth };
      },
    };
  }

  #find(identity: string, notBeforeMs: number): TransferEvidence | null {
    for (const block of this.#blocks) {
      const logIndex = block.transactions.findIndex((each) => each.identity === identity);
      const transaction = block.transactions[logIndex];
      if (transaction?.kind !== "transfer" || block.timestampMs < notBeforeMs - CLOCK_SKEW_MAX_MS)
        continue;
      return {
        transaction: transaction.hash,
        logIndex,
        blockNumber: BigInt(block.number),
        blockHash: block.hash,
        blockTimestampMs: block.timestampMs,
      };
    }
    return null;
  }

  async #latency(): Promise<void> {
    await this.#clock.sleep(this.#random.between(5, 80));
  }

  #mine(): void {
    if (this.#random.chance(this.reorgRate)) this.#reorganise();
    const timestampMs = this.#clock.nowMs;
    const included: Transaction[] = [];
    const waiting: Transaction[] = [];
    for (const transaction of this.#mempool) {
      const { identity, authorization } = transaction;
      const isUsed =
        this.usedBy(identity) !== null || included.some((each) => each.identity === identity);
      const isLate = transaction.kind === "transfer" && timestampMs >= authorization.validBeforeMs;
      if (isUsed || isLate) continue;
      if (this.#random.chance(0.15)) waiting.push(transaction);
      else included.push(transaction);
    }
    this.#mempool = waiting;
    this.#sequence += 1;
    this.#blocks.push({
      number: this.#blocks.length,
      hash: `0xb${this.#sequence}`,
      timestampMs,
      transactions: included,
    });
    this.#blocksKept = Math.max(this.#blocksKept, this.#blocks.length - CONFIRMATIONS);
    this.#clock.after(BLOCK_MS, () => this.#mine());
  }

  /** Never deeper than confirmations and finality allow for. */
  #reorganise(): void {
    const depth = Math.min(
      this.#random.between(1, CONFIRMATIONS - 1),
      this.#blocks.length - this.#blocksKept,
    );
    for (const block of this.#blocks.splice(this.#blocks.length - depth, depth)) {
      for (const transaction of block.transactions) {
        this.undone.add(transaction.identity);
        if (this.#random.chance(0.6)) this.#mempool.push(transaction);
      }
    }
  }
}

export function identityOf(authorization: Authorization): string {
  return `eip3009:${authorization.network}:${authorization.asset}:${authorization.payer}:${authorization.nonce}`;
}
