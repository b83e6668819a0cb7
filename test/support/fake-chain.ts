/** A chain for the workers pool: JSON-RPC answers to what the ledger asks about balances; all else is out of reach. */
import { numberToHex } from "viem";
import { vi } from "vitest";
import * as z from "zod";

const CHAIN_ID = 84_532;
const requestSchema = z.object({ id: z.number(), method: z.string() });

export class FakeChain {
  /** What every account holds; null: the node does not say. */
  balanceAtomic: bigint | null = null;

  /** Takes the place of the network until mocks are restored. */
  install(): void {
    this.balanceAtomic = null;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const request = new Request(input, init);
      if (request.method !== "POST") throw new Error("connection refused");
      const parsed = requestSchema.safeParse(await request.json());
      if (!parsed.success) throw new Error("connection refused");
      const { id, method } = parsed.data;
      return Response.json({ jsonrpc: "2.0", id, ...this.#answer(method) });
    });
  }

  #answer(method: string): object {
    if (method === "eth_chainId") return { result: numberToHex(CHAIN_ID) };
    if (method === "eth_call" && this.balanceAtomic !== null) {
      return { result: numberToHex(this.balanceAtomic, { size: 32 }) };
    }
    return { error: { code: -32_000, message: "not here" } };
  }
}
