import { type ConfigSource, configOf } from "../config.ts";
import { type Fetch, exchange } from "../facilitator/http-exchange.ts";
import type { FacilitatorReply } from "../facilitator/reply.ts";
import {
  type ClaimedDelivery,
  claimDelivery,
  recordDead,
  recordDelivered,
  recordFailed,
} from "../tenant/directory/alert-deliveries.ts";
import { readAlert } from "../tenant/directory/alerts.ts";
import { retryDelaySeconds } from "./retry-delay.ts";
import { webhookRequest } from "./webhook-request.ts";

/** For the whole exchange. Receivers are told to answer before they work on it. */
const TIMEOUT_MS = 15_000;
/** Only the status counts: what is longer is not read. */
const REPLY_BYTES_MAX = 1_024;
/** How long an attempt that was cut off keeps others away: timeout and database many times over. */
const LEASE_MS = 60_000;
const GONE = 410;

export interface DeliveryDependencies {
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly send: Fetch;
}

export type DeliveryResult =
  | { readonly result: "ended" }
  /** To be asked for again after so long. */
  | { readonly result: "later"; readonly delaySeconds: number };

const ENDED: DeliveryResult = { result: "ended" };

/** Makes the next attempt of a delivery, if it is due. Rejects when the database is away. */
export async function deliverAlert(
  env: Pick<Env, "DB"> & ConfigSource,
  deliveryId: number,
  { now, random, send }: DeliveryDependencies,
): Promise<DeliveryResult> {
  const { endpoints, retry } = configOf(env).alerts;
  const startedAtMs = now();
  const claimed = await claimDelivery(env.DB, deliveryId, startedAtMs, startedAtMs + LEASE_MS);
  if (claimed.claim === "ended") return ENDED;
  if (claimed.claim === "early") return later(claimed.dueAtMs - startedAtMs);
  const { delivery } = claimed;
  const alert = await readAlert(env.DB, delivery.alertId);
  const endpoint = endpoints.find(({ id }) => id === delivery.endpointId);
  if (endpoint === undefined) {
    await recordDead(env.DB, deliveryId, "this webhook is no longer configured", now());
    return ENDED;
  }
  const reply = await exchange(
    webhookRequest(alert, endpoint, startedAtMs),
    { timeoutMs: TIMEOUT_MS, bodyBytesMax: REPLY_BYTES_MAX },
    send,
  );
  return await recordReply(env.DB, delivery, reply, now(), (attempt) =>
    retryDelaySeconds(attempt, retry, random()),
  );
}

async function recordReply(
  db: D1Database,
  delivery: ClaimedDelivery,
  reply: FacilitatorReply,
  nowMs: number,
  delaySecondsAfter: (attempt: number) => number,
): Promise<DeliveryResult> {
  const status = reply.kind === "answered" ? reply.status : 0;
  if (status >= 200 && status < 300) {
    await recordDelivered(db, delivery, nowMs);
    return ENDED;
  }
  if (status === GONE) {
    await recordDead(db, delivery.deliveryId, "answered 410: it wants no more", nowMs);
    return ENDED;
  }
  const delayMs = delaySecondsAfter(delivery.attempt) * 1_000;
  await recordFailed(db, delivery, describe(reply), nowMs + delayMs);
  return later(delayMs);
}

function describe(reply: FacilitatorReply): string {
  if (reply.kind === "unanswered") return reply.failure;
  const { status } = reply;
  return status >= 300 && status < 400 ? `answered ${status}: redirected` : `answered ${status}`;
}

/** At least a second: a message that is put back without a delay would come at once. */
function later(delayMs: number): DeliveryResult {
  return { result: "later", delaySeconds: Math.max(1, Math.ceil(delayMs / 1_000)) };
}
