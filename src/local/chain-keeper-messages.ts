/** What `chain.ts` and the keeper process it starts say to each other. */
import * as z from "zod";

export const keeperOptionsSchema = z.strictObject({
  /** 0 takes a free one. */
  port: z.number().int().min(0).max(65_535),
  /** null: the chain is gone when it stops. */
  stateDir: z.string().min(1).nullable(),
});
export type KeeperOptions = z.infer<typeof keeperOptionsSchema>;

export const keeperMessageSchema = z.discriminatedUnion("kind", [
  /** The chain answers at `rpcUrl`; `pid` is the node's, not the keeper's. */
  z.strictObject({ kind: z.literal("ready"), rpcUrl: z.url(), pid: z.number().int().positive() }),
  /** It did not start, or it ended without an order to. */
  z.strictObject({ kind: z.literal("failed"), reason: z.string() }),
]);
export type KeeperMessage = z.infer<typeof keeperMessageSchema>;
