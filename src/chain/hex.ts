import { type Hex, isHex } from "viem";

/**
 * Gives checked text viem's type for hexadecimal.
 * @throws Error when it is not hexadecimal: whoever let it in did not parse it.
 */
export function asHex(text: string): Hex {
  if (!isHex(text)) throw new Error("expected 0x and hexadecimal digits");
  return text;
}
