import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import { facilitatorGateway } from "../../src/facilitator/gateway.ts";
import type { WirePayment } from "../../src/payment/wire.ts";

/*
 * The gateway as the dispatcher makes it: real runtime, real object, requests that share one isolate. The
 * facilitators of this pool refuse every connection.
 */
const KIND = { x402Version: 2, scheme: "exact", network: "eip155:84532" } as const;
const PAYMENT: WirePayment = {
  x402Version: 2,
  paymentPayload: { payload: { authorization: { from: `0x${"11".repeat(20)}` } } },
  paymentRequirements: {},
};

/** One request: its own execution context, ended before this resolves. */
async function request<Result>(
  run: (gateway: ReturnType<typeof facilitatorGateway>) => Promise<Result>,
): Promise<Result> {
  const context = createExecutionContext();
  const result = await run(facilitatorGateway(env, context, "weur"));
  await waitOnExecutionContext(context);
  return result;
}

it("reports behind its requests, together, and learns from the shared health what others saw", async () => {
  const verify = () =>
    request((gateway) => gateway.verify(PAYMENT, { kind: KIND, signatureProved: true }));
  const results = await Promise.all(Array.from({ length: 8 }, verify));
  for (const { outcome } of results) {
    expect(outcome).toEqual({
      class: "unavailable",
      reason: "facilitator_unreachable",
      retryAfterMs: null,
    });
  }
  const { facilitators, edges } = await facilitatorHealthOf(env, "weur").view();
  expect(facilitators.map(({ id, verify: { state } }) => `${id} ${state}`)).toEqual([
    "primary open",
    "fallback open",
  ]);
  expect(edges).toHaveLength(1);
  expect(edges[0]?.calls.map(({ calls }) => calls)).toEqual([8, 8]);
  const candidates = await request(async (gateway) => gateway.candidatesForSettle(KIND, null));
  expect(candidates.facilitatorIds).toEqual(["primary", "fallback"]);
});

it("does not send a settlement to a facilitator that refuses connections", async () => {
  const expected = { network: KIND.network, payer: `0x${"11".repeat(20)}`, amountAtomic: 1n };
  expect(await request((gateway) => gateway.settle("primary", PAYMENT, expected))).toEqual({
    class: "unavailable",
    reason: "facilitator_unreachable",
    retryAfterMs: null,
  });
});
