/** The ledger's one alarm, which must be set again whatever happens while it runs. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { SqlStore } from "../../durable-objects/settlement-ledger/store/sql-store.ts";

const STEP_MS = 250;
const FAR_MS = Math.ceil(Date.now() / STEP_MS) * STEP_MS + 3_600_000;

function inLedger(run: (store: SqlStore, storage: DurableObjectStorage) => Promise<void>) {
  const ledger = env.SETTLEMENT_LEDGER.getByName(`t${crypto.randomUUID().slice(0, 8)}`);
  return runInDurableObject(ledger, async (_ledger, { storage }) => {
    await run(new SqlStore(storage), storage);
    await storage.deleteAlarm();
  });
}

test("while it runs none is set in its place: the runtime fires it again if the object dies", async () => {
  await inLedger(async (store, storage) => {
    store.alarmFired(null);
    store.wakeAt(FAR_MS);
    expect(await storage.getAlarm()).toBeNull();
    store.rearm();
    store.wakeAt(FAR_MS);
    expect(await storage.getAlarm()).toBe(FAR_MS);
  });
});

test("at its end the rows say when the next one is due", async () => {
  await inLedger(async (store, storage) => {
    store.alarmFired(null);
    store.alerts.append("deposit_mismatch", null, "a test", FAR_MS);
    expect(await storage.getAlarm()).toBeNull();
    store.rearm();
    expect(await storage.getAlarm()).toBe(FAR_MS);
  });
});

test("one that breaks is set for a while later, not for the past that is still due", async () => {
  await inLedger(async (store, storage) => {
    store.alarmFired(null);
    store.alerts.append("deposit_mismatch", null, "a test", 1);
    store.rearmAt(FAR_MS);
    expect(await storage.getAlarm()).toBe(FAR_MS);
  });
});

test("before the runtime gives it up, another one is set", async () => {
  await inLedger(async (store, storage) => {
    store.alarmFired(FAR_MS);
    expect(await storage.getAlarm()).toBe(FAR_MS);
  });
});
