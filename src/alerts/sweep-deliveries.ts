import { reviveOverdue } from "../tenant/directory/alert-deliveries.ts";
import { enqueueDeliveries } from "./alert-queue.ts";

/** Longer than a queue takes to hand out a message that is due, and than the lease of an attempt. */
const OVERDUE_MS = 2 * 60_000;
/** What is more comes with the next sweep. */
const SWEEP_MAX = 100;

/**
 * Queues deliveries again whose message was lost: the embedded platform's queue does not outlive its process, a real
 * one drops what it kept for days. One that comes twice after all is sent once.
 *
 * @returns how many.
 */
export async function sweepDeliveries(
  env: Pick<Env, "DB" | "ALERTS">,
  nowMs: number,
): Promise<number> {
  const deliveryIds = await reviveOverdue(env.DB, nowMs - OVERDUE_MS, nowMs, SWEEP_MAX);
  await enqueueDeliveries(env.ALERTS, deliveryIds);
  return deliveryIds.length;
}
