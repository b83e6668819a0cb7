/** An outage on the embedded world, as an operator's webhooks hear of it: one that fails at first, one that never works. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { deadLetterListSchema, platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import { readSecrets } from "../../src/local/secrets.ts";
import { AlertReceiver } from "../support/alert-receiver.ts";
import { Outages } from "../support/outages.ts";

/** Five attempts with one to four seconds between them, and twice the queue. */
const WITHIN = { timeout: 55_000, interval: 250 };

let recovering: AlertReceiver;
let broken: AlertReceiver;
let outages: Outages;

beforeAll(async () => {
  recovering = await AlertReceiver.start((request) => (request <= 2 ? 500 : 200));
  broken = await AlertReceiver.start(() => 500);
  outages = await Outages.start(
    [recovering, broken].flatMap(({ url }) => ["--alert-webhook", url]),
  );
});

afterAll(async () => {
  await outages?.stop();
  await recovering?.stop();
  await broken?.stop();
});

function signingSecret(): string {
  const secret = readSecrets(outages.world.stateDir)?.alertWebhookSecret;
  if (secret === undefined) throw new Error("no signing secret");
  return secret;
}

test("a breaker that opens is told to a receiver that fails twice, signed, and to no one twice", async () => {
  await outages.kill("primary");
  await vi.waitFor(async () => {
    await outages.buy();
    expect(await outages.alerts()).toContain("facilitator_open");
  }, WITHIN);
  await vi.waitFor(() => {
    expect(recovering.taken(signingSecret())).toContainEqual({
      type: "alert.facilitator_open",
      timestamp: expect.stringMatching(/^20\d\d-.*Z$/),
      data: expect.objectContaining({
        tenantId: "platform",
        kind: "facilitator_open",
        severity: "warning",
        detail: expect.stringContaining("at facilitator-1 fails"),
      }),
    });
  }, WITHIN);
  await outages.revive();
  const statuses = recovering.received.map(({ status }) => status);
  expect(statuses.slice(0, 2)).toEqual([500, 500]);
  const taken = recovering.received.filter(({ status }) => status === 200).map(({ id }) => id);
  expect(new Set(taken).size).toBe(taken.length);
});

test("what a receiver never takes is tried five times, and is then a dead letter", async () => {
  const deadLetter = await vi.waitFor(async () => {
    const { deadLetters } = await outages.world.admin(
      deadLetterListSchema,
      "GET /alerts/dead-letters",
    );
    const oldest = deadLetters.at(-1);
    if (oldest === undefined) throw new Error("no dead letter yet");
    return oldest;
  }, WITHIN);
  expect(deadLetter).toMatchObject({
    endpointId: "webhook-2",
    attempts: 5,
    lastError: "answered 500",
  });
  const { alertId } = deadLetter.alert;
  expect(broken.received.filter(({ id }) => id === `alert_${alertId}`)).toHaveLength(5);
  const { alerts } = await outages.world.admin(
    platformAlertListSchema,
    "GET /alerts?tenant=platform",
  );
  expect(alerts.find((alert) => alert.alertId === alertId)?.deliveries).toMatchObject([
    { endpointId: "webhook-1", state: "delivered" },
    { endpointId: "webhook-2", state: "dead", attempts: 5 },
  ]);
});
