import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAlertConfig } from "../../src/alerts/alert-config.ts";
import { DEFAULT_ALERT_RETRY, retryDelaySeconds } from "../../src/alerts/retry-delay.ts";
import { webhookRequest } from "../../src/alerts/webhook-request.ts";
import { ConfigError } from "../../src/config-source.ts";
import type { PlatformAlert } from "../../src/contracts/admin-alerts.ts";
import { runClaw } from "../support/dev-process.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const PAGER = { id: "pager", url: "https://pager.example/alerts", secret: "PAGER_SECRET" };

const ALERT: PlatformAlert = {
  alertId: 17,
  tenantId: "platform",
  alert: 1_800_000_000_000,
  kind: "facilitator_open",
  severity: "warning",
  paymentId: null,
  detail: "settle at primary fails; calls go elsewhere – “für jetzt”",
  atMs: 1_800_000_000_000,
};

describe("a webhook request", () => {
  it("is verified by the official library, and no other body, id or time is", () => {
    const nowMs = Date.now();
    const { headers, body } = webhookRequest(ALERT, { ...PAGER, secret: SECRET }, nowMs);
    const webhook = new Webhook(SECRET);
    expect(webhook.verify(body ?? "", headers)).toEqual({
      type: "alert.facilitator_open",
      timestamp: "2027-01-15T08:00:00.000Z",
      data: ALERT,
    });
    expect(headers["webhook-id"]).toBe("alert_17");
    const later = `${Math.floor(nowMs / 1_000) + 1}`;
    for (const forged of [{ "webhook-id": "alert_18" }, { "webhook-timestamp": later }]) {
      expect(() => webhook.verify(body ?? "", { ...headers, ...forged })).toThrow("signature");
    }
    expect(() => webhook.verify(`${body} `, headers)).toThrow("signature");
  });

  it("is signed anew for every attempt, so that a late one is not refused as a replay", () => {
    const endpoint = { ...PAGER, secret: SECRET };
    const first = webhookRequest(ALERT, endpoint, Date.now() - 3_600_000);
    const second = webhookRequest(ALERT, endpoint, Date.now());
    const webhook = new Webhook(SECRET);
    expect(() => webhook.verify(first.body ?? "", first.headers)).toThrow("too old");
    expect(webhook.verify(second.body ?? "", second.headers)).toBeDefined();
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  });
});

describe("the wait before the next attempt", () => {
  it("grows fourfold from five seconds to twelve hours, and the longest schedule stays below four days", () => {
    const longest = Array.from({ length: 9 }, (_, index) =>
      retryDelaySeconds(index + 1, DEFAULT_ALERT_RETRY, 0.999_999_999),
    );
    expect(longest).toEqual([5, 20, 80, 320, 1_280, 5_120, 20_480, 43_200, 43_200]);
    // A queue keeps a message for four days.
    expect(longest.reduce((sum, seconds) => sum + seconds, 0)).toBeLessThan(4 * 86_400);
  });

  it("is a whole number of seconds, at least one, between half and the whole of the longest", () => {
    const retry = fc.record({
      firstSeconds: fc.integer({ min: 1, max: 86_400 }),
      maxSeconds: fc.integer({ min: 1, max: 86_400 }),
    });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), retry, random, (attempt, each, draw) => {
        const seconds = retryDelaySeconds(attempt, each, draw);
        const longest = retryDelaySeconds(attempt, each, 1);
        expect(Number.isSafeInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(Math.max(1, longest / 2));
        expect(seconds).toBeLessThanOrEqual(Math.min(longest, each.maxSeconds));
      }),
    );
  });
});

describe("the webhooks of the configuration", () => {
  const parse = (webhooks: unknown, more: object = {}) => {
    const source = { ALERT_WEBHOOKS: JSON.stringify(webhooks), PAGER_SECRET: SECRET, ...more };
    return parseAlertConfig(source);
  };

  it("are none when left out, and take their secret from the one that is named", () => {
    expect(parseAlertConfig({})).toEqual({ endpoints: [], retry: DEFAULT_ALERT_RETRY });
    expect(parse([PAGER]).endpoints).toEqual([{ ...PAGER, secret: SECRET }]);
    const retry = { firstSeconds: 1, maxSeconds: 4 };
    expect(parse([], { ALERT_RETRY: JSON.stringify(retry) }).retry).toEqual(retry);
  });

  it.each<[string, unknown, object, RegExp]>([
    ["plain HTTP over the network", [{ ...PAGER, url: "http://pager.example" }], {}, /0\.url/],
    ["a secret that is not set", [PAGER], { PAGER_SECRET: undefined }, /pager needs the secret/],
    ["a secret without its prefix", [PAGER], { PAGER_SECRET: SECRET.slice(6) }, /whsec_/],
    ["a short secret", [PAGER], { PAGER_SECRET: "whsec_c2hvcnQ=" }, /24 to 64 bytes/],
    ["a secret that is not base64", [PAGER], { PAGER_SECRET: "whsec_A" }, /24 to 64 bytes/],
    ["the secret itself", [{ ...PAGER, secret: SECRET }], {}, /0\.secret must be the name/],
    ["one id twice", [PAGER, PAGER], {}, /id pager is used twice/],
    ["a setting that does not exist", [{ ...PAGER, retries: 3 }], {}, /retries/],
    [
      "nine of them",
      Array.from({ length: 9 }, (_, index) => ({ ...PAGER, id: `p${index}` })),
      {},
      /8/,
    ],
  ])("refuse %s, naming the key and not the secret", (_, webhooks, more, message) => {
    expect(() => parse(webhooks, more)).toThrow(ConfigError);
    expect(() => parse(webhooks, more)).toThrow(/^configuration ALERT_WEBHOOKS: /);
    expect(() => parse(webhooks, more)).toThrow(message);
    expect(() => parse(webhooks, more)).not.toThrow(SECRET.slice(6));
  });

  it("refuse a retry that never comes", () => {
    const retry = JSON.stringify({ firstSeconds: 0, maxSeconds: 4 });
    expect(() => parse([], { ALERT_RETRY: retry })).toThrow(
      "configuration ALERT_RETRY: firstSeconds",
    );
  });

  it("stop `claw dev` before anything is started when one can't be", async () => {
    const state = await mkdtemp(join(tmpdir(), "claw-config-"));
    onTestFinished(() => rm(state, { recursive: true, force: true }));
    const flags = `--port 0 --state ${state} --rpc http://127.0.0.1:9`.split(" ");
    const more = ["--facilitator", "http://127.0.0.1:9", "--alert-webhook", "http://pager.example"];
    const { code, stdout, stderr } = await runClaw(["dev", ...flags, ...more]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("configuration ALERT_WEBHOOKS: 0.url must be https");
  });
});
