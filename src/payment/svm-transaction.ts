/**
 * A Solana transaction that moves one amount of one token and nothing else, read strictly: the layout that
 * scheme_exact_svm.md prescribes for ordinary wallets. What is read here is what the network would run, because a
 * message has one encoding; whatever else a transaction may be is not a payment here.
 */
import { Buffer } from "node:buffer";
import { toBase58 } from "./base58.ts";

/** The largest transaction that fits into a packet of the network. */
const TRANSACTION_BYTES_MAX = 1_232;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The first byte of a version 0 message; without the highest bit it would be a message of before versions. */
const VERSION_0 = 0x80;
/** Compute limit, compute price and transfer, then memos and assertions of wallets. */
const INSTRUCTIONS_MIN = 3;
const INSTRUCTIONS_MAX = 7;
/** Whoever pays the fee, and whoever pays. */
const SIGNERS = 2;

const COMPUTE_BUDGET_PROGRAM = "ComputeBudget111111111111111111111111111111";
const TOKEN_PROGRAMS: ReadonlySet<string> = new Set([
  "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
  "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
]);
/** Memo, and Lighthouse, by which wallets assert what a transaction leaves behind: neither moves anything. */
const HARMLESS_PROGRAMS: ReadonlySet<string> = new Set([
  "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
  "L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95",
]);
const TRANSFER_CHECKED = 12;
/** The kind, an amount of 64 bits, and the decimals. */
const TRANSFER_CHECKED_BYTES = 10;

/** Keys in base58. */
export interface SvmTransfer {
  readonly feePayer: string;
  /** Who moves the tokens: the owner of their account. */
  readonly authority: string;
  readonly tokenProgram: string;
  readonly mint: string;
  /** The token account that gets them. */
  readonly destination: string;
  readonly amountAtomic: bigint;
  /** What is signed. */
  readonly message: Uint8Array;
  /** Of the authority. The fee payer signs last. */
  readonly signature: Uint8Array;
}

/** Null for anything else than such a transaction, signed by its payer's slot only. @param base64 with padding */
export function readSvmTransfer(base64: string): SvmTransfer | null {
  if (base64.length > Math.ceil(TRANSACTION_BYTES_MAX / 3) * 4) return null;
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64") !== base64 || bytes.length > TRANSACTION_BYTES_MAX) return null;
  try {
    return readTransaction(new Reader(bytes));
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

interface Instruction {
  readonly program: string;
  readonly accounts: readonly number[];
  readonly data: Uint8Array;
}

function readTransaction(reader: Reader): SvmTransfer {
  expect(reader.compact() === SIGNERS);
  const feePayerSignature = reader.take(SIGNATURE_BYTES);
  expect(feePayerSignature.every((byte) => byte === 0));
  const signature = reader.take(SIGNATURE_BYTES);
  const message = reader.rest();
  const isVersion0 = (reader.peek() & VERSION_0) !== 0;
  if (isVersion0) expect(reader.byte() === VERSION_0);
  expect(reader.byte() === SIGNERS);
  reader.take(2);
  const keys = reader.list(() => toBase58(reader.take(KEY_BYTES)));
  // The blockhash, which is why it can't land for long.
  reader.take(KEY_BYTES);
  const instructions = reader.list((): Instruction => {
    const program = keyAt(keys, reader.byte());
    return { program, accounts: reader.list(() => reader.byte()), data: reader.chunk() };
  });
  if (isVersion0) expect(reader.compact() === 0);
  expect(reader.isAtEnd());
  return { ...transferIn(instructions, keys), feePayer: keyAt(keys, 0), message, signature };
}

/** A first instruction of the compute budget also rules out durable nonces, whose transactions never expire. */
function transferIn(instructions: readonly Instruction[], keys: readonly string[]) {
  expect(instructions.length >= INSTRUCTIONS_MIN && instructions.length <= INSTRUCTIONS_MAX);
  const [limit, price, transfer, ...others] = instructions;
  expect(limit?.program === COMPUTE_BUDGET_PROGRAM && price?.program === COMPUTE_BUDGET_PROGRAM);
  expect(others.every(({ program }) => HARMLESS_PROGRAMS.has(program)));
  if (transfer === undefined || !TOKEN_PROGRAMS.has(transfer.program)) throw new MalformedError();
  const { accounts, data, program } = transfer;
  expect(data.length === TRANSFER_CHECKED_BYTES && data[0] === TRANSFER_CHECKED);
  const [, mint = -1, destination = -1, authority = -1, ...cosigners] = accounts;
  // The second signer, that is: not whoever pays the fee, and no multisignature account.
  expect(authority === 1 && cosigners.length === 0);
  return {
    tokenProgram: program,
    mint: keyAt(keys, mint),
    destination: keyAt(keys, destination),
    authority: keyAt(keys, authority),
    amountAtomic: new DataView(data.buffer, data.byteOffset).getBigUint64(1, true),
  };
}

function keyAt(keys: readonly string[], index: number): string {
  const key = keys[index];
  if (key === undefined) throw new MalformedError();
  return key;
}

class MalformedError extends Error {
  override readonly name = "MalformedError";
}

function expect(condition: boolean): void {
  if (!condition) throw new MalformedError();
}

/** Reads forward, and never past the end. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  peek(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new MalformedError();
    return byte;
  }

  byte(): number {
    const byte = this.peek();
    this.#at += 1;
    return byte;
  }

  take(length: number): Uint8Array {
    expect(this.#at + length <= this.#bytes.length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** "Compact-u16": seven bits a byte, the lowest first, in as few bytes as it takes. Here two are always enough. */
  compact(): number {
    const low = this.byte();
    if (low < 0x80) return low;
    const high = this.byte();
    expect(high > 0 && high < 0x80);
    return (low & 0x7f) | (high << 7);
  }

  list<Item>(read: () => Item): Item[] {
    return Array.from({ length: this.compact() }, read);
  }

  chunk(): Uint8Array {
    return this.take(this.compact());
  }
}
