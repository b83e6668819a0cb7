/** docs/operations.md against the code: every kind of alert with its severity, the example, the schedule. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ALERT_SEVERITIES } from "../../src/alerts/alert-severity.ts";
import { DEFAULT_ALERT_RETRY, retryDelaySeconds } from "../../src/alerts/retry-delay.ts";
import { webhookRequest } from "../../src/alerts/webhook-request.ts";
import { platformAlertSchema } from "../../src/contracts/admin-alerts.ts";

const ROOT = join(import.meta.dirname, "../..");
const text = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
const alerts = text.slice(text.indexOf("## Alerts"), text.indexOf("## Retry"));
const wrangler = readFileSync(join(ROOT, "wrangler.toml"), "utf8");

/** Attempts of the alerts' queue in an environment of wrangler.toml. */
function attemptsIn(environment: string): number {
  const consumer = new RegExp(`queue = "claw402-${environment}-alerts"\\ndead_letter[^[]*`).exec(
    wrangler,
  );
  return Number(/max_retries = (\d+)/.exec(consumer?.[0] ?? "")?.[1]) + 1;
}

it("every kind of alert is documented with its severity", () => {
  const rows = [...alerts.matchAll(/^\| `([a-z_]+)` +\| (info|warning|critical) +\|/gm)];
  const documented = Object.fromEntries(rows.map(([, kind, severity]) => [kind, severity]));
  expect(documented).toEqual(ALERT_SEVERITIES);
});

it("the example is what is sent", () => {
  const example: unknown = JSON.parse(/```json\n([\s\S]*?)```/.exec(alerts)?.[1] ?? "");
  const data = platformAlertSchema.strict().parse(Object(example).data);
  const secret = `whsec_${Buffer.alloc(24).toString("base64")}`;
  const endpoint = { id: "pager", url: "https://pager.example", secret };
  const { body } = webhookRequest(data, endpoint, 0);
  expect(JSON.parse(body ?? "")).toEqual(example);
});

it("the schedule is that of the code and of the queues", () => {
  const prose = alerts.replaceAll(/\s+/g, " ");
  const waits = Array.from({ length: attemptsIn("production") - 1 }, (_, index) =>
    retryDelaySeconds(index + 1, DEFAULT_ALERT_RETRY, 1),
  ).map((seconds) => `${seconds} s`);
  expect(prose).toContain(`ten attempts in 16 to 32 hours`);
  expect(prose).toContain(`${waits.slice(0, -1).join(", ")} and ${waits.at(-1)}`);
  expect(["staging", "production", "local"].map(attemptsIn)).toEqual([10, 10, 5]);
});
