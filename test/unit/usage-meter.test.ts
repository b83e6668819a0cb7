/** What an invocation may still do, counted in one isolate whatever the tenant's code says about itself. */
import { expect, test } from "vitest";
import type { EgressProps } from "../../src/runtime/egress/props.ts";
import { UsageMeter } from "../../src/runtime/egress/usage-meter.ts";

const PROPS: EgressProps = {
  tenantId: "acme",
  allowedHosts: [],
  maxSubrequests: 2,
  maxBytes: 100,
};

/** How many of `times` subrequests are admitted. */
function admitted(
  meter: UsageMeter,
  times: number,
  idOf: (time: number) => string | null,
  nowMs = 0,
  props = PROPS,
): number {
  let count = 0;
  for (let time = 0; time < times; time += 1) {
    if (meter.admit(props, idOf(time), nowMs) !== null) count += 1;
  }
  return count;
}

test("an invocation has its subrequests and no more, however long it takes", () => {
  const meter = new UsageMeter();
  expect(admitted(meter, 3, () => "one")).toBe(2);
  expect(admitted(meter, 1, () => "one", 59_999)).toBe(0);
});

test("ids are a tenant's own", () => {
  const meter = new UsageMeter();
  expect(admitted(meter, 2, () => "one")).toBe(2);
  expect(admitted(meter, 2, () => "one", 0, { ...PROPS, tenantId: "other" })).toBe(2);
});

test.each([
  ["no id", () => null],
  ["an id of its own each time", (time: number) => `id-${time}`],
  ["something that is no id", () => "x".repeat(65)],
])("a tenant whose code sends %s has a hundred invocations in ten seconds", (_what, idOf) => {
  const meter = new UsageMeter();
  expect(admitted(meter, 500, idOf)).toBe(200);
  expect(admitted(meter, 1, () => "another", 9_999)).toBe(0);
  expect(admitted(meter, 1, () => "another", 10_000)).toBe(1);
});

test("bytes add up over an invocation's subrequests, and over its tenant's window", () => {
  const meter = new UsageMeter();
  const first = meter.admit(PROPS, "one", 0);
  expect(first?.bytesLeft).toBe(100);
  expect(first?.takeBytes(60)).toBe(true);
  const second = meter.admit(PROPS, "one", 0);
  expect(second?.bytesLeft).toBe(40);
  expect(second?.takeBytes(41)).toBe(false);
  expect(first?.bytesLeft).toBe(0);
  expect(meter.admit(PROPS, "two", 0)?.bytesLeft).toBe(100);
  expect(meter.admit(PROPS, "three", 0)?.takeBytes(9_900)).toBe(false);
  expect(meter.admit(PROPS, "four", 0)?.bytesLeft).toBe(0);
});

test("nothing is allowed where the plan allows nothing", () => {
  expect(new UsageMeter().admit({ ...PROPS, maxSubrequests: 0 }, "one", 0)).toBeNull();
});
