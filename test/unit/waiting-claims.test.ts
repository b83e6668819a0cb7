/** Resends that are held until the first send has its answer. */
import { expect, test } from "vitest";
import {
  type ClaimDependencies,
  claimPayment,
} from "../../durable-objects/settlement-ledger/claim-calls.ts";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import { WAITERS_MAX, Waiters } from "../../durable-objects/settlement-ledger/waiters.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";
import { claimRequest } from "../support/claim-request.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS } from "../support/payments.ts";

const tenantId = parseTenantId("acme");

/** Of a ledger on a clock that stands still, as it does in workerd while nothing is waited for. */
function claim(ledger: Ledger, waiters: Waiters) {
  let looks = 0;
  const deps: ClaimDependencies = {
    ledger,
    waiters,
    signIns: { isUsable: () => false, use: () => undefined, newestAnswer: () => null },
    newPaymentId: () => {
      looks += 1;
      if (looks > 10) throw new Error("it looks again and again");
      return `pay_acme_${looks}`;
    },
    now: () => NOW_MS,
  };
  if (tenantId === null) throw new Error("the test's tenant has no name");
  return claimPayment({ tenantId, ...claimRequest("one") }, deps);
}

test("when as many wait as may, the next one is told to come back at once, and holds up nobody", async () => {
  const [ledger, waiters] = [new Ledger(new MemoryStore()), new Waiters()];
  expect((await claim(ledger, waiters)).result).toBe("granted");
  const waiting = Array.from({ length: WAITERS_MAX }, () =>
    waiters.wait("another payment", 60_000),
  );
  expect((await claim(ledger, waiters)).result).toBe("in_progress");
  waiters.notify("another payment");
  await Promise.all(waiting);
  expect(waiters.isFull).toBe(false);
});
