/** A Worker with two webhooks, the receivers behind them, and the queue between: what was sent, and what comes of it. */
import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { adminApi } from "../../src/admin/admin-api.ts";
import type { AlertMessage } from "../../src/alerts/alert-queue.ts";
import { consumeAlertQueue } from "../../src/alerts/consume-queue.ts";
import { publishAlerts } from "../../src/alerts/publish-alerts.ts";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import type { Fetch } from "../../src/facilitator/http-exchange.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";
import { freshTenantId } from "./control-plane.ts";

export const SECRETS = {
  PAGER_SECRET: `whsec_${btoa("the pager signs with these bytes")}`,
  CHAT_SECRET: `whsec_${btoa("and the chat signs with others...")}`,
};
export const PAGER = "https://pager.example/alerts";
export const CHAT = "https://chat.example/hook";

const QUEUE = "claw402-local-alerts";
export const DEAD_LETTERS = `${QUEUE}-dead-letters`;

/** What a receiver answers: a status, or nothing at all. */
export type Answer = number | "no answer";

export interface Sent {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly redirect: string | undefined;
}

export class AlertWebhooks {
  nowMs = 1_800_000_000_000;
  readonly tenantId = ownTenant();
  readonly sent: Sent[] = [];
  /** Ids of the deliveries that are in the queue. */
  queued: number[] = [];
  isQueueReachable = true;
  readonly answers = new Map<string, Answer>();
  env: Cloudflare.Env;

  constructor(endpointIds: readonly ("pager" | "chat")[] = ["pager"]) {
    this.env = this.envWith(endpointIds);
  }

  envWith(endpointIds: readonly ("pager" | "chat")[]): Cloudflare.Env {
    const endpoints = [
      { id: "pager", url: PAGER, secret: "PAGER_SECRET" },
      { id: "chat", url: CHAT, secret: "CHAT_SECRET" },
    ].filter(({ id }) => endpointIds.some((each) => each === id));
    const queue: Pick<Queue<AlertMessage>, "sendBatch"> = {
      sendBatch: async (messages) => {
        if (!this.isQueueReachable) throw new Error("the queue is away");
        this.queued.push(...[...messages].map(({ body }) => body.deliveryId));
        return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
      },
    };
    return {
      ...env,
      ...SECRETS,
      ALERT_WEBHOOKS: JSON.stringify(endpoints),
      ALERT_RETRY: JSON.stringify({ firstSeconds: 4, maxSeconds: 64 }),
      ALERTS: queue as Queue,
    };
  }

  publish(alert = 1, object = ""): Promise<void> {
    const raised = {
      alert,
      kind: "deposit_mismatch",
      paymentId: null,
      detail: "the account holds 10 less than the books say",
      atMs: this.nowMs,
    };
    return publishAlerts(this.env, { tenantId: this.tenantId, object }, [raised], this.nowMs);
  }

  /** Hands messages to the consumer. @returns for each, in order, `ack` or the seconds of its delay */
  async consume(bodies: readonly unknown[], queue = QUEUE): Promise<("ack" | number)[]> {
    const batch = createMessageBatch(
      queue,
      bodies.map((body, index) => ({ id: `${index}`, timestamp: new Date(), attempts: 1, body })),
    );
    // The result of the batch does not tell the delays.
    const retries = batch.messages.map((message) => vi.spyOn(message, "retry"));
    await consumeAlertQueue(batch, this.env, {
      now: () => this.nowMs,
      random: () => 0.5,
      send: (...request) => this.#send(...request),
    });
    const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
    return bodies.map((_, index) => {
      if (explicitAcks.includes(`${index}`)) return "ack";
      return retries[index]?.mock.lastCall?.[0]?.delaySeconds ?? Number.NaN;
    });
  }

  /** Hands over what is queued. */
  drain(queue = QUEUE): Promise<("ack" | number)[]> {
    const bodies = this.queued.splice(0).map((deliveryId) => ({ deliveryId }));
    return this.consume(bodies, queue);
  }

  admin(method: "GET" | "POST", path: string, body?: unknown): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.env.OPERATOR_TOKEN}` };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    return Promise.resolve(adminApi.request(path, init, this.env));
  }

  /** The newest alert of this test, as operators see it. */
  async listed() {
    const response = await this.admin("GET", `/alerts?tenant=${this.tenantId}`);
    return platformAlertListSchema.parse(await response.json()).alerts;
  }

  async #send(...[url, { headers, body, redirect }]: Parameters<Fetch>): Promise<Response> {
    this.sent.push({
      url,
      headers: Object.fromEntries(new Headers(headers)),
      body: typeof body === "string" ? body : "",
      redirect,
    });
    const answer = this.answers.get(url) ?? 204;
    if (answer === "no answer") throw new Error("Network connection lost.");
    const location = answer >= 300 && answer < 400 ? { Location: "https://other.example" } : {};
    return new Response(null, { status: answer, headers: location });
  }
}

function ownTenant() {
  const tenantId = parseTenantId(freshTenantId());
  if (tenantId === null) throw new Error("no tenant id");
  return tenantId;
}
