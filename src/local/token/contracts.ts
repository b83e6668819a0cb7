/** The compiled contracts of the local chain; `compile.ts` makes the artefacts. */
import { isHex } from "viem";
import type { Hex } from "viem";
import multicall3 from "./Multicall3.json" with { type: "json" };
import testUsdc from "./TestUsdc.json" with { type: "json" };

/** Code to put at an address: the contracts have no constructors. */
export const testUsdcCode = runtimeCode(testUsdc);
export const multicall3Code = runtimeCode(multicall3);

function runtimeCode({ runtimeBytecode }: { runtimeBytecode: string }): Hex {
  if (!isHex(runtimeBytecode)) throw new Error("an artefact of src/local/token is not hex");
  return runtimeBytecode;
}
