/** Whom the watchdog replaces, with real processes: how long they have run is the operating system's word. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { watchProcess } from "../../src/local/watchdog.ts";

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that says when it runs, and then does this. */
async function startChild(script: string): Promise<number> {
  const program = `process.stdout.write("runs", () => { ${script} });`;
  const child = spawn(process.execPath, ["--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout, "data");
  if (child.pid === undefined) throw new Error("no process was started");
  return child.pid;
}

/** Watches a process that answers no ping. @returns pings so far, and the reasons why it was replaced */
function watchMute(pid: number) {
  const seen = { pings: 0, reasons: new Array<string>() };
  const watchdog = watchProcess({
    ping: (signal) => {
      seen.pings += 1;
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    pid: () => pid,
    replace: async (reason) => void seen.reasons.push(reason),
  });
  onTestFinished(() => watchdog.stop());
  return seen;
}

describe("a process that does not answer", () => {
  test("is replaced when it has run all the time", async () => {
    const seen = watchMute(await startChild("for (;;) {}"));
    await vi.waitFor(() => expect(seen.reasons[0]).toContain("a script loops in it"), {
      timeout: 20_000,
      interval: 50,
    });
  });

  test.runIf(process.platform === "linux")(
    "is left alone for a while when it has not run: the machine is busy, not the process",
    async () => {
      const seen = watchMute(await startChild("setInterval(() => {}, 60_000)"));
      await vi.waitFor(() => expect(seen.pings).toBeGreaterThan(4), { timeout: 20_000 });
      expect(seen.reasons).toEqual([]);
    },
  );
});
