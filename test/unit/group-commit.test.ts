import { beforeEach, describe, expect, test, vi } from "vitest";
import { GroupCommit } from "../../durable-objects/settlement-ledger/store/group-commit.ts";

beforeEach(() => {
  // The Workers runtime's timer; Node's shares its promise form.
  vi.stubGlobal("scheduler", {
    wait: (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs)),
  });
});

describe("a group of writes", () => {
  test("runs at once when nobody else is about to write", async () => {
    const order: string[] = [];
    const done = new GroupCommit(() => false).run(() => order.push("written"));
    order.push("next");
    await done;
    expect(order).toEqual(["written", "next"]);
  });

  test("runs in one turn, in order of arrival, when others are about to", async () => {
    const commits = new GroupCommit(() => true);
    let turn = 0;
    const turns = await Promise.all(
      ["a", "b", "c"].map((name) =>
        commits.run(() => {
          queueMicrotask(() => (turn += 1));
          return `${name}${turn}`;
        }),
      ),
    );
    expect(turns).toEqual(["a0", "b0", "c0"]);
  });

  test("takes along those that wait when the last one expects nobody else", async () => {
    let others = 1;
    const commits = new GroupCommit(() => others > 0);
    const order: string[] = [];
    const first = commits.run(() => order.push("first"));
    others = 0;
    const second = commits.run(() => order.push("second"));
    expect(order).toEqual(["first", "second"]);
    await Promise.all([first, second]);
  });

  test("rejects the operation that throws, and only that one", async () => {
    const commits = new GroupCommit(() => true);
    const results = await Promise.allSettled([
      commits.run(() => 1),
      commits.run(() => {
        throw new Error("broken");
      }),
      commits.run(() => 3),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("serves those that come after a group in the next one", async () => {
    const commits = new GroupCommit(() => true);
    expect(await commits.run(() => "first")).toBe("first");
    expect(await commits.run(() => "second")).toBe("second");
  });
});
