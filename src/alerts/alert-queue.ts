/** The queue that carries alerts to the webhooks: its messages only say which delivery is due, D1 knows the rest. */
import * as z from "zod";

export const alertMessageSchema = z.object({ deliveryId: z.number().int() });
export type AlertMessage = z.infer<typeof alertMessageSchema>;

/** Of one `sendBatch`. */
const MESSAGES_MAX = 100;

/** Throws when the queue does not take them; those it took come again with the next try, and are told apart then. */
export async function enqueueDeliveries(
  queue: Queue<AlertMessage>,
  deliveryIds: readonly number[],
): Promise<void> {
  for (let start = 0; start < deliveryIds.length; start += MESSAGES_MAX) {
    const part = deliveryIds.slice(start, start + MESSAGES_MAX);
    await queue.sendBatch(
      part.map((deliveryId) => ({ body: { deliveryId }, contentType: "json" })),
    );
  }
}
