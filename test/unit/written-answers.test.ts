/** How a ledger hears which answers were written out, when no claim comes by to take the news along. */
import { expect, test, vi } from "vitest";
import { noteAnswered } from "../../src/dispatcher/answered.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { useVirtualScheduler } from "../support/virtual-scheduler.ts";

useVirtualScheduler();

/** What a tenant's ledger is told, call by call. */
class Told {
  readonly calls: (readonly string[])[] = [];
  /** While it is told. */
  onCall: () => void = () => undefined;
  readonly #tenantId: TenantId;

  constructor(name: string) {
    const tenantId = parseTenantId(name);
    if (tenantId === null) throw new Error("the test's tenant has no name");
    this.#tenantId = tenantId;
  }

  note(paymentId: string): void {
    const answered = async (paymentIds: readonly string[]) => {
      this.calls.push(paymentIds);
      this.onCall();
    };
    void noteAnswered({ answered }, this.#tenantId, paymentId);
  }
}

test("more than fits in one call is told in several", async () => {
  const told = new Told("acme");
  const paymentIds = Array.from({ length: 450 }, (_, index) => `payment ${index}`);
  for (const paymentId of paymentIds) told.note(paymentId);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told.calls.map(({ length }) => length)).toEqual([200, 200, 50]);
  expect(told.calls.flat()).toEqual(paymentIds);
});

test("what comes while others are told waits for a claim as they did, and costs no call before", async () => {
  const told = new Told("acme");
  told.onCall = () => {
    if (told.calls.length === 1) told.note("second");
  };
  told.note("first");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told.calls).toEqual([["first"]]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told.calls).toEqual([["first"], ["second"]]);
});
