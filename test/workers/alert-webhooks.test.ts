/** Alerts on their way to the operators' webhooks, on a real D1, with queue and receivers that can fail. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AlertRows } from "../../durable-objects/settlement-ledger/store/alert-rows.ts";
import { forwardAlerts } from "../../durable-objects/settlement-ledger/alarm/alert-forwarding.ts";
import { sweepDeliveries } from "../../src/alerts/sweep-deliveries.ts";
import { deadLetterListSchema } from "../../src/contracts/admin-alerts.ts";
import { listAudit } from "../../src/tenant/directory/audit.ts";
import { PLATFORM } from "../../src/tenant/tenant-id.ts";
import { AlertWebhooks, CHAT, DEAD_LETTERS, PAGER, SECRETS } from "../support/alert-webhooks.ts";
import { problemOf } from "../support/control-plane.ts";

const REASON = "the pager is back";

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function deadLetters(webhooks: AlertWebhooks) {
  const response = await webhooks.admin("GET", "/alerts/dead-letters");
  const { deadLetters: all } = deadLetterListSchema.parse(await response.json());
  return all.filter(({ alert }) => alert.tenantId === webhooks.tenantId);
}

/** A delivery that the queue has given up. */
async function deadLetter(webhooks: AlertWebhooks) {
  webhooks.answers.set(PAGER, 500);
  await webhooks.publish();
  const [deliveryId] = webhooks.queued;
  await webhooks.drain();
  expect(await webhooks.consume([{ deliveryId }], DEAD_LETTERS)).toEqual(["ack"]);
}

describe("an alert", () => {
  it("is stored once and queued once for each webhook, however often it is published", async () => {
    const webhooks = new AlertWebhooks(["pager", "chat"]);
    await webhooks.publish();
    expect(webhooks.queued).toHaveLength(2);
    expect(await webhooks.drain()).toEqual(["ack", "ack"]);
    await webhooks.publish();
    expect(webhooks.queued).toEqual([]);
    expect(webhooks.sent.map(({ url }) => url).toSorted()).toEqual([CHAT, PAGER]);
    expect(await webhooks.listed()).toMatchObject([
      {
        kind: "deposit_mismatch",
        severity: "critical",
        deliveries: [
          { endpointId: "pager", state: "delivered", attempts: 1, lastError: null },
          { endpointId: "chat", state: "delivered", attempts: 1, lastError: null },
        ],
      },
    ]);
  });

  it("is queued after all when the queue was away, and stays with who raised it until then", async () => {
    const webhooks = new AlertWebhooks();
    vi.spyOn(console, "error").mockReturnValue();
    const ledger = env.SETTLEMENT_LEDGER.getByName(webhooks.tenantId);
    await runInDurableObject(ledger, async (_, { storage }) => {
      const rows = new AlertRows(storage.sql, () => undefined);
      const forward = () =>
        forwardAlerts(rows, webhooks.env, webhooks.tenantId, () => webhooks.nowMs);
      rows.append("deposit_mismatch", null, "a difference", webhooks.nowMs);
      webhooks.isQueueReachable = false;
      await forward();
      expect(rows.nextForwardAtMs()).toBe(webhooks.nowMs + 30_000);
      webhooks.isQueueReachable = true;
      webhooks.nowMs += 30_000;
      await forward();
      expect(rows.nextForwardAtMs()).toBeNull();
    });
    expect(await webhooks.listed()).toHaveLength(1);
    expect(await webhooks.drain()).toEqual(["ack"]);
    expect(webhooks.sent).toHaveLength(1);
  });

  it("of one object is not that of another with the same number", async () => {
    const webhooks = new AlertWebhooks();
    await webhooks.publish(1, "one region");
    await webhooks.publish(1, "another region");
    expect(await webhooks.listed()).toHaveLength(2);
    expect(webhooks.queued).toHaveLength(2);
  });

  it("is listed when there is no webhook, and is not queued", async () => {
    const webhooks = new AlertWebhooks([]);
    await webhooks.publish();
    expect(await webhooks.listed()).toMatchObject([{ deliveries: [] }]);
    expect(webhooks.queued).toEqual([]);
  });
});

describe("a delivery", () => {
  it("is a signed POST that the official library verifies, with one id for all attempts", async () => {
    // The library compares the timestamp with the clock.
    vi.useFakeTimers({ toFake: ["Date"] });
    const webhooks = new AlertWebhooks(["pager", "chat"]);
    vi.setSystemTime(webhooks.nowMs);
    webhooks.answers.set(PAGER, 503);
    await webhooks.publish();
    const queued = [...webhooks.queued];
    await webhooks.drain();
    webhooks.nowMs += 3_600_000;
    vi.setSystemTime(webhooks.nowMs);
    await webhooks.consume(queued.map((deliveryId) => ({ deliveryId })));
    const [alert] = await webhooks.listed();
    expect(webhooks.sent).toHaveLength(3);
    const last = webhooks.sent.at(-1);
    const { deliveries: _, ...data } = alert ?? {};
    const message = new Webhook(SECRETS.PAGER_SECRET).verify(last?.body ?? "", last?.headers ?? {});
    expect(message).toEqual({
      type: "alert.deposit_mismatch",
      timestamp: new Date(alert?.atMs ?? 0).toISOString(),
      data,
    });
    expect(new Set(webhooks.sent.map(({ headers }) => headers["webhook-id"]))).toEqual(
      new Set([`alert_${alert?.alertId}`]),
    );
    expect(() =>
      new Webhook(SECRETS.CHAT_SECRET).verify(last?.body ?? "", last?.headers ?? {}),
    ).toThrow("No matching signature");
  });

  it.each([
    [500, "answered 500"],
    [404, "answered 404"],
    [302, "answered 302: redirected"],
    ["no answer", "unreachable"],
  ] as const)(
    "that is met with %s is tried again later, and later each time",
    async (answer, lastError) => {
      const webhooks = new AlertWebhooks();
      webhooks.answers.set(PAGER, answer);
      await webhooks.publish();
      const [deliveryId] = webhooks.queued;
      // Three quarters of 4, 16, 64 and again 64 seconds: in the middle of the spread.
      for (const [index, delaySeconds] of [3, 12, 48, 48].entries()) {
        expect(await webhooks.consume([{ deliveryId }])).toEqual([delaySeconds]);
        const [alert] = await webhooks.listed();
        expect(alert?.deliveries).toMatchObject([
          { state: "pending", attempts: index + 1, lastError, endedAtMs: null },
        ]);
        webhooks.nowMs += delaySeconds * 1_000;
      }
      expect(
        webhooks.sent.every(({ url, redirect }) => url === PAGER && redirect === "manual"),
      ).toBe(true);
      webhooks.answers.set(PAGER, 200);
      expect(await webhooks.consume([{ deliveryId }])).toEqual(["ack"]);
      expect((await webhooks.listed())[0]?.deliveries).toMatchObject([
        { state: "delivered", attempts: 5, endedAtMs: webhooks.nowMs, dueAtMs: null },
      ]);
    },
  );

  it("is sent once when its message comes twice, at once or afterwards", async () => {
    const webhooks = new AlertWebhooks();
    await webhooks.publish();
    const [deliveryId] = webhooks.queued;
    const settled = await webhooks.consume([{ deliveryId }, { deliveryId }]);
    expect(settled).toContain("ack");
    expect(await webhooks.consume([{ deliveryId }])).toEqual(["ack"]);
    expect(webhooks.sent).toHaveLength(1);
  });

  it("waits for its time when its message comes early", async () => {
    const webhooks = new AlertWebhooks();
    webhooks.answers.set(PAGER, 500);
    await webhooks.publish();
    const [deliveryId] = webhooks.queued;
    expect(await webhooks.consume([{ deliveryId }])).toEqual([3]);
    webhooks.nowMs += 1_000;
    expect(await webhooks.consume([{ deliveryId }])).toEqual([2]);
    expect(webhooks.sent).toHaveLength(1);
  });

  it("waits for the database, and an unreadable message for nothing", async () => {
    const webhooks = new AlertWebhooks();
    const errors = vi.spyOn(console, "error").mockReturnValue();
    await webhooks.publish();
    const [deliveryId] = webhooks.queued;
    vi.spyOn(webhooks.env.DB, "prepare").mockImplementation(() => {
      throw new Error("D1 is away");
    });
    expect(await webhooks.consume([{ deliveryId }, "garbage"])).toEqual([4, "ack"]);
    expect(await webhooks.consume([{ deliveryId }], DEAD_LETTERS)).toEqual([300]);
    expect(errors).toHaveBeenCalledTimes(3);
    expect(webhooks.sent).toEqual([]);
  });

  it("of a message that was lost is queued again by the sweep; one that waits is not", async () => {
    await env.DB.prepare("DELETE FROM alert_deliveries").run();
    const webhooks = new AlertWebhooks();
    await webhooks.publish();
    const [lost] = webhooks.queued;
    webhooks.nowMs += 119_000;
    await webhooks.publish(2);
    webhooks.queued = [];
    const sweep = (aheadMs: number) => sweepDeliveries(webhooks.env, webhooks.nowMs + aheadMs);
    expect(await sweep(0)).toBe(0);
    expect(await sweep(2_000)).toBe(1);
    expect(webhooks.queued).toEqual([lost]);
    // Once: it is due from now.
    expect(await sweep(3_000)).toBe(0);
    webhooks.nowMs += 3_000;
    expect(await webhooks.drain()).toEqual(["ack"]);
  });
});

describe("a dead letter", () => {
  it("is what the queue has given up, what was answered 410, and what has no webhook any more", async () => {
    const webhooks = new AlertWebhooks(["pager", "chat"]);
    await deadLetter(webhooks);
    webhooks.answers.set(CHAT, 410);
    await webhooks.publish(2);
    webhooks.env = webhooks.envWith(["chat"]);
    expect(await webhooks.drain()).toEqual(["ack", "ack"]);
    expect(await deadLetters(webhooks)).toMatchObject([
      { endpointId: "chat", attempts: 1, lastError: "answered 410: it wants no more" },
      { endpointId: "pager", attempts: 1, lastError: "this webhook is no longer configured" },
      { endpointId: "pager", attempts: 1, lastError: "answered 500", alert: { alert: 1 } },
    ]);
  });

  it("is delivered again by an operator, on record with the reason", async () => {
    const webhooks = new AlertWebhooks();
    await deadLetter(webhooks);
    const [dead] = await deadLetters(webhooks);
    const target = `/alerts/dead-letters/${dead?.deadLetterId}/redeliver`;
    expect(await problemOf(await webhooks.admin("POST", target, {}))).toMatchObject({
      status: 400,
      fields: ["reason"],
    });
    webhooks.answers.set(PAGER, 200);
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(webhooks.nowMs);
    expect((await webhooks.admin("POST", target, { reason: REASON })).status).toBe(202);
    expect(await webhooks.drain()).toEqual(["ack"]);
    expect(await deadLetters(webhooks)).toEqual([]);
    expect((await webhooks.listed())[0]?.deliveries).toMatchObject([
      { state: "delivered", attempts: 1 },
    ]);
    expect(
      await listAudit(env.DB, {
        tenantId: PLATFORM,
        subject: `${dead?.alert.alertId}`,
        limit: 1,
      }),
    ).toMatchObject([
      { action: "alert.redeliver", detail: { reason: REASON, endpointId: "pager" } },
    ]);
    const again = await webhooks.admin("POST", target, { reason: REASON });
    expect(await problemOf(again)).toMatchObject({ status: 404 });
  });

  it("is listed in pages", async () => {
    const webhooks = new AlertWebhooks();
    await deadLetter(webhooks);
    await webhooks.publish(2);
    await webhooks.consume(
      webhooks.queued.map((deliveryId) => ({ deliveryId })),
      DEAD_LETTERS,
    );
    const page = async (query: string) => {
      const response = await webhooks.admin("GET", `/alerts/dead-letters?limit=1${query}`);
      return deadLetterListSchema.parse(await response.json());
    };
    const first = await page("");
    expect(first.deadLetters).toMatchObject([{ alert: { alert: 2 }, attempts: 0 }]);
    const second = await page(`&cursor=${first.nextCursor}`);
    expect(second.deadLetters).toMatchObject([{ alert: { alert: 1 } }]);
  });
});

it("secrets and URLs of the webhooks are neither in the database nor in the logs", async () => {
  const logged: string[] = [];
  for (const method of ["log", "warn", "error", "info"] as const) {
    vi.spyOn(console, method).mockImplementation((...line) => void logged.push(line.join(" ")));
  }
  const webhooks = new AlertWebhooks(["pager", "chat"]);
  await deadLetter(webhooks);
  webhooks.answers.set(PAGER, "no answer");
  await webhooks.publish(2);
  await webhooks.drain();
  await webhooks.consume([null]);
  const tables = await env.DB.batch([
    env.DB.prepare("SELECT * FROM alerts"),
    env.DB.prepare("SELECT * FROM alert_deliveries"),
  ]);
  const text = JSON.stringify([logged, tables, await webhooks.listed()]);
  expect(logged).toHaveLength(1);
  for (const hidden of [...Object.values(SECRETS), "whsec_", "pager.example", "chat.example"]) {
    expect(text).not.toContain(hidden);
  }
});
