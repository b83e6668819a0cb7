/**
 * A facilitator that lets in who signs each call, and what callers of it must show: for the runtime of the product
 * and for Node alike.
 */
import { describe, expect, it } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import type { Fetch } from "../../src/facilitator/http-exchange.ts";
import { postSettle, postVerify } from "../../src/facilitator/http-facilitator.ts";
import { checkFacilitator } from "../../src/facilitator/supported.ts";
import type { WirePayment } from "../../src/payment/wire.ts";
import { type CdpCredentials, cdpCredentials } from "./cdp-credentials.ts";

const PAYER = `0x${"11".repeat(20)}`;
const NETWORK = "eip155:84532";
const PAYMENT: WirePayment = { x402Version: 2, paymentPayload: {}, paymentRequirements: {} };
const EXPECTED = { network: NETWORK, payer: PAYER, amountAtomic: 1n };
const SETTLED = { success: true, transaction: `0x${"ab".repeat(32)}`, network: NETWORK };

function configOf({ auth }: CdpCredentials): FacilitatorConfig {
  return {
    id: "cdp",
    url: "https://api.cdp.example/platform/v2/x402/",
    auth,
    timeouts: { verifyMs: 5_000, settleMs: 5_000, supportedMs: 5_000 },
  };
}

/** Answers calls with a good token, and everybody else 401; `calls` has the tokens and what they said. */
function facilitatorOf(credentials: CdpCredentials) {
  const calls: { url: string; authorization: string | null; seconds: number | null }[] = [];
  const fetch: Fetch = async (url, { method = "GET", headers }) => {
    const authorization = new Headers(headers).get("Authorization");
    const claims = await credentials.verify({ method, url, authorization });
    const seconds = claims === null ? null : Math.round(claims.exp - Date.now() / 1_000);
    calls.push({ url, authorization, seconds });
    if (claims === null) return Response.json({ errorType: "unauthorized" }, { status: 401 });
    return Response.json({ isValid: true, payer: PAYER, kinds: [], ...SETTLED });
  };
  return { calls, fetch };
}

/** @param runtime where this runs */
export function describeCdpCalls(runtime: string): void {
  describe.each(["EdDSA", "ES256"] as const)(`a call signed with ${runtime} and %s`, (alg) => {
    it("carries a token for its method, host and path, and for two minutes", async () => {
      const credentials = await cdpCredentials(alg);
      const { calls, fetch } = facilitatorOf(credentials);
      const config = configOf(credentials);
      const { outcome } = await postVerify(config, PAYMENT, { fetch });
      const settled = await postSettle(config, PAYMENT, EXPECTED, { fetch });
      const check = await checkFacilitator(config, [NETWORK], { fetch });
      expect([outcome.class, settled.outcome.class, check.signal]).toEqual([
        "valid",
        "settled",
        "healthy",
      ]);
      for (const { seconds } of calls) {
        expect(seconds).toBeGreaterThan(115);
        expect(seconds).toBeLessThanOrEqual(120);
      }
      const [verify, settle] = calls;
      const { authorization } = verify ?? { authorization: null };
      const stolen = { method: "POST", url: settle?.url ?? "", authorization };
      expect(await credentials.verify(stolen)).toBeNull();
      expect(new Set(calls.map((call) => call.authorization)).size).toBe(3);
    });

    it("with the key of somebody else is turned away, which is ours to repair", async () => {
      const { fetch } = facilitatorOf(await cdpCredentials(alg));
      const config = configOf(await cdpCredentials(alg));
      const { outcome, health } = await postVerify(config, PAYMENT, { fetch });
      expect([outcome.class, health]).toEqual(["unavailable", "auth"]);
      const settled = await postSettle(config, PAYMENT, EXPECTED, { fetch });
      expect([settled.outcome.class, settled.health]).toEqual(["unavailable", "auth"]);
    });
  });
}
