/**
 * Starting, stopping and killing the embedded platform, as processes: what must be found again is found, and what
 * must be gone is gone.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import * as z from "zod";
import { readSecrets } from "../../src/local/secrets.ts";
import { identifyProcess, processIdentitySchema } from "../../src/local/process-identity.ts";
import { isGroupLeft, killGroup, runClaw, startDev } from "../support/dev-process.ts";
import { TestWorld } from "../support/platform.ts";

const recordSchema = z.object({
  owner: processIdentitySchema,
  children: z.record(z.string(), processIdentitySchema),
});

async function readRecord(stateDir: string) {
  return recordSchema.parse(JSON.parse(await readFile(join(stateDir, "processes.json"), "utf8")));
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "claw-lifecycle-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe("a platform with a chain and facilitators of its own", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "serves at its ready line and leaves no process after %s",
    async (signal) => {
      const stateDir = await temporaryDirectory();
      const dev = await startDev(["--port", "0", "--state", stateDir]);
      onTestFinished(() => killGroup(dev.pid));
      expect(dev.output().match(/^ready http:\/\/127\.0\.0\.1:\d+$/gm)).toHaveLength(1);
      expect((await fetch(`${dev.url}/healthz`)).status).toBe(200);
      const { children } = await readRecord(stateDir);
      expect(Object.keys(children).toSorted()).toEqual(["chain", "script-host", "workerd"]);

      dev.signal(signal);
      expect(await dev.ended()).toBe(0);
      expect(await isGroupLeft(dev.pid)).toBe(false);
      for (const child of Object.values(children)) expect(identifyProcess(child.pid)).toBeNull();
    },
  );

  test("keeps its URLs, secrets and operator token over a restart", async () => {
    const stateDir = await temporaryDirectory();
    const printed: string[] = [];
    const secrets = [];
    for (let start = 0; start < 2; start += 1) {
      const dev = await startDev(["--port", "0", "--state", stateDir]);
      onTestFinished(() => killGroup(dev.pid));
      printed.push(dev.output().replace(/^ready .*$/m, ""));
      secrets.push(readSecrets(stateDir));
      dev.signal("SIGTERM");
      await dev.ended();
    }
    expect(printed[1]).toBe(printed[0]);
    expect(printed[0]).toContain(secrets[0]?.operatorToken);
    expect(secrets[1]).toEqual(secrets[0]);
  });
});

describe("a platform on a chain and facilitators of others", () => {
  let world: TestWorld;

  beforeAll(async () => {
    world = await TestWorld.start();
    return () => world.stop();
  });

  test("refuses a second platform on its state directory, and names itself", async () => {
    const second = await runClaw(["dev", "--port", "0", "--state", world.stateDir]);
    expect(second.code).toBe(6);
    expect(second.stderr).toContain(`in use by the platform with process id ${world.platform.pid}`);
    expect(second.stderr).toContain("--state");
    expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
  });

  test("refuses a port that is in use, and leaves nothing running", async () => {
    const stateDir = await temporaryDirectory();
    const port = new URL(world.url).port;
    const others = ["--rpc", world.chain.rpcUrl, "--facilitator", world.facilitators[0].url];
    const second = await runClaw(["dev", "--port", port, "--state", stateDir, ...others]);
    expect(second.code).toBe(6);
    expect(second.stderr).toContain(`error: port ${port} is in use`);
    await expect(readRecord(stateDir)).rejects.toThrow("ENOENT");
  });

  test("serves on after workerd was killed, and records its new process", async () => {
    const before = await world.workerdPid();
    process.kill(before, "SIGKILL");
    await vi.waitFor(
      async () => {
        expect(await world.workerdPid()).not.toBe(before);
        expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
      },
      { timeout: 45_000, interval: 100 },
    );
  });

  test("ends the workerd that a killed platform left, and finds tenants and datasets again", async () => {
    const tenant = await world.createTenant();
    const [url] = await world.sellCities(tenant);
    const orphan = await world.workerdPid();

    world.platform.signal("SIGKILL", "process");
    await world.platform.ended();
    expect(identifyProcess(orphan)).not.toBeNull();

    await world.restart();
    expect(identifyProcess(orphan)).toBeNull();
    expect(world.platform.output()).toContain("cleaned up");
    expect(await tenant.api.balance()).toMatchObject({ settledAtomic: "0" });
    expect((await fetch(String(url))).status).toBe(402);
  });

  test("finds tenants and datasets again after the whole machine's end", async () => {
    const tenant = await world.createTenant();
    const [url] = await world.sellCities(tenant);
    await world.kill();
    await world.restart();
    expect((await fetch(String(url))).status).toBe(402);
  });
});
