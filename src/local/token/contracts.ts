/** The compiled contracts of the local chain; `compile.ts` makes the artefacts. */
import { isHex } from "viem";
import type { Hex } from "viem";
import multicall3 from "./Multicall3.json" with { type: "json" };
import permit2 from "./Permit2.json" with { type: "json" };
import testUsdc from "./TestUsdc.json" with { type: "json" };
import exactPermit2Proxy from "./X402ExactPermit2Proxy.json" with { type: "json" };
import uptoPermit2Proxy from "./X402UptoPermit2Proxy.json" with { type: "json" };

/** Code to put at an address: the contracts have no constructors. */
export const testUsdcCode = runtimeCode(testUsdc);
export const multicall3Code = runtimeCode(multicall3);
export const permit2Code = runtimeCode(permit2);
export const exactPermit2ProxyCode = runtimeCode(exactPermit2Proxy);
export const uptoPermit2ProxyCode = runtimeCode(uptoPermit2Proxy);

function runtimeCode({ runtimeBytecode }: { runtimeBytecode: string }): Hex {
  if (!isHex(runtimeBytecode)) throw new Error("an artefact of src/local/token is not hex");
  return runtimeBytecode;
}
