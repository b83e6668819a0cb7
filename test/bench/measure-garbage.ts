/** What a request costs that brings nothing, beside the 402 that an honest first call gets. */
import { type Comparison, type Contender, type Rounds, compare } from "./compare.ts";
import { type SignedPayload, paidRequests, unpaidRequest } from "./payments.ts";
import type { Target } from "./runtime.ts";

export interface GarbageCost {
  readonly what: string;
  /** "Ours" is the garbage, the reference a 402 of the same Worker. */
  readonly comparison: Comparison;
}

/** One sender: what is not limited by its address can't be had from one. */
const ADDRESS_HEADER = "CF-Connecting-IP: 198.51.100.7";

export async function measureGarbage(
  gateway: Target,
  payloads: readonly SignedPayload[],
  rounds: Rounds,
): Promise<GarbageCost[]> {
  const sending = (requests: readonly Buffer[], expected: string): Contender => {
    let index = 0;
    return {
      port: gateway.port,
      nextRequest: () => requests[index++ % requests.length] ?? null,
      expected,
    };
  };
  const asking = sending([unpaidRequest(gateway)], "HTTP/1.1 402");
  const at = (path: string) => [unpaidRequest({ ...gateway, path })];
  const malformed = withHeader(unpaidRequest(gateway), "PAYMENT-SIGNATURE: garbage");
  const kinds: readonly (readonly [what: string, garbage: Contender])[] = [
    ["a path with an empty segment", sending(at(`${gateway.path}//x`), "HTTP/1.1 400")],
    ["a path that is not sold", sending(at(`${gateway.path}/nothing`), "HTTP/1.1 404")],
    ["a header that can't be read", sending([malformed], "HTTP/1.1 400")],
    // The first few of an address are 402, by the ledger, and the others 429.
    [
      "a signature that is not the payer's",
      sending(await forgedRequests(gateway, payloads), "HTTP/1.1 4"),
    ],
  ];
  const costs: GarbageCost[] = [];
  for (const [what, garbage] of kinds) {
    costs.push({ what, comparison: await compare(garbage, asking, rounds) });
  }
  return costs;
}

/** What was signed is another amount. */
async function forgedRequests(
  gateway: Target,
  payloads: readonly SignedPayload[],
): Promise<Buffer[]> {
  const forged = payloads.map(({ signature, authorization }) => ({
    signature,
    authorization: { ...authorization, value: "1" },
  }));
  const requests = await paidRequests(gateway, forged);
  return requests.map((request) => withHeader(request, ADDRESS_HEADER));
}

function withHeader(request: Buffer, line: string): Buffer {
  return Buffer.from(request.toString("latin1").replace(/\r\n\r\n$/, `\r\n${line}\r\n\r\n`));
}
