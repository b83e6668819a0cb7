/** Base58 in Bitcoin's alphabet, as Solana writes keys, hashes and signatures. */
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** Signatures, the longest there are, have 88: decoding takes the square of the length. */
const LENGTH_MAX = 128;

export function toBase58(bytes: Uint8Array): string {
  let number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let text = "";
  for (; number > 0n; number /= 58n) text = ALPHABET.charAt(Number(number % 58n)) + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(zeros === -1 ? bytes.length : zeros) + text;
}

/** Null for what is not the base58 of exactly so many bytes. */
export function fromBase58(text: string, length: number): Uint8Array | null {
  if (text.length > LENGTH_MAX) return null;
  let number = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit === -1) return null;
    number = number * 58n + BigInt(digit);
  }
  const bytes = new Uint8Array(length);
  for (let index = length - 1; number > 0n; index -= 1, number >>= 8n) {
    if (index < 0) return null;
    bytes[index] = Number(number & 0xffn);
  }
  return toBase58(bytes) === text ? bytes : null;
}
