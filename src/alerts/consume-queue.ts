/** The consumer of both queues: alerts that are due, and those that the first one has given up. */
import type { ConfigSource } from "../config.ts";
import { recordDead } from "../tenant/directory/alert-deliveries.ts";
import { type AlertMessage, alertMessageSchema } from "./alert-queue.ts";
import { type DeliveryDependencies, deliverAlert } from "./deliver-alert.ts";
import { DEFAULT_ALERT_RETRY, retryDelaySeconds } from "./retry-delay.ts";

/** How the names of the dead letter queues end (wrangler.toml); all others carry what is due. */
const DEAD_LETTERS_SUFFIX = "-dead-letters";
/** The database is away, and a queue of dead letters has no next one: with 100 retries it waits for eight hours. */
const DEAD_LETTER_RETRY_SECONDS = 300;

const RUNTIME: DeliveryDependencies = {
  now: () => Date.now(),
  random: () => Math.random(),
  send: (url, init) => fetch(url, init),
};

/** Settles every message by itself; never rejects, which would bring back those that are done, too. */
export async function consumeAlertQueue(
  batch: MessageBatch,
  env: Pick<Env, "DB"> & ConfigSource,
  dependencies: DeliveryDependencies = RUNTIME,
): Promise<void> {
  const isDead = batch.queue.endsWith(DEAD_LETTERS_SUFFIX);
  await Promise.all(
    batch.messages.map(async (message) => {
      const parsed = alertMessageSchema.safeParse(message.body);
      if (!parsed.success) {
        // It will not become readable by waiting.
        logFailure(message, "the message has no delivery");
        message.ack();
        return;
      }
      await (isDead
        ? takeDeadLetter(message, parsed.data, env, dependencies)
        : deliver(message, parsed.data, env, dependencies));
    }),
  );
}

async function deliver(
  message: Message,
  { deliveryId }: AlertMessage,
  env: Pick<Env, "DB"> & ConfigSource,
  dependencies: DeliveryDependencies,
): Promise<void> {
  try {
    const delivered = await deliverAlert(env, deliveryId, dependencies);
    if (delivered.result === "ended") message.ack();
    else message.retry({ delaySeconds: delivered.delaySeconds });
  } catch (error) {
    logFailure(message, error);
    // Not the configured one: the configuration may be what is wrong.
    const retry = DEFAULT_ALERT_RETRY;
    message.retry({
      delaySeconds: retryDelaySeconds(message.attempts, retry, dependencies.random()),
    });
  }
}

async function takeDeadLetter(
  message: Message,
  { deliveryId }: AlertMessage,
  env: Pick<Env, "DB">,
  { now }: DeliveryDependencies,
): Promise<void> {
  try {
    await recordDead(env.DB, deliveryId, null, now());
    message.ack();
  } catch (error) {
    logFailure(message, error);
    message.retry({ delaySeconds: DEAD_LETTER_RETRY_SECONDS });
  }
}

/** Neither the endpoint's URL nor its secret: the message knows neither. */
function logFailure(message: Message, error: unknown): void {
  console.error(
    JSON.stringify({
      event: "alert_delivery_failure",
      message: message.id,
      error: error instanceof Error ? error.message : String(error),
    }),
  );
}
