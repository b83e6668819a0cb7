/** What goes wrong from outside: facilitators that fail in every way they can, a chain that hangs, and kills. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { CALL_FAULTS, SETTLE_FAULTS } from "../../src/local/faults.ts";
import { isRunning, processIdentitySchema } from "../../src/local/process-identity.ts";
import type { Random } from "../simulation/random.ts";
import type { TestFacilitator, TestWorld } from "../support/platform.ts";

/** Slow, but within every deadline of the platform, or beyond the shorter ones. */
const SLOW_MS_MAX = 6_000;
/** Shorter than what the platform waits for the chain, or longer. */
const CHAIN_STOP_MS = { from: 300, to: 2_500 } as const;
/** The runtime needs about a second to be back. */
const WORKER_RESTART_TIMEOUT_MS = 45_000;
const POLL_MS = 50;

const recordSchema = z.object({ children: z.object({ workerd: processIdentitySchema }) });

export class Weather {
  readonly #world: TestWorld;
  readonly #random: Random;
  readonly counts = { workerKills: 0, platformKills: 0, chainStops: 0 };
  /** How often each fault was ordered. */
  readonly faults = new Map<string, number>();

  constructor(world: TestWorld, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** One round of it. Rounds kill the worker and the whole platform in turn. */
  async round(round: number, lengthMs: number): Promise<void> {
    const random = this.#random;
    const killAfterMs = random.between(lengthMs / 5, lengthMs);
    const stopsChain = random.chance(0.3);
    const chainStopMs = random.between(CHAIN_STOP_MS.from, CHAIN_STOP_MS.to);
    const killsAgain = random.chance(0.3);
    const releases = random.chance(0.5);
    for (const facilitator of this.#world.facilitators) await this.#disturb(facilitator);
    const chainStopped = stopsChain ? this.#stopChain(chainStopMs) : Promise.resolve();
    await delay(killAfterMs);
    if (round % 2 === 0) await this.#killWorker();
    else await this.#killPlatform();
    if (killsAgain) await this.#killWorker();
    await chainStopped;
    // Calls whose callers are long gone are carried out now: late settlements.
    for (const facilitator of this.#world.facilitators) {
      await resume(facilitator);
      if (releases) await facilitator.control.release();
    }
  }

  /** Ends all faults; what was held goes on. */
  async heal(): Promise<void> {
    for (const facilitator of this.#world.facilitators) {
      await resume(facilitator);
      await facilitator.control.clear();
      await facilitator.control.release();
    }
  }

  async #disturb(facilitator: TestFacilitator): Promise<void> {
    const random = this.#random;
    await resume(facilitator);
    await facilitator.control.clear();
    if (random.chance(0.15)) {
      this.#count("refused connections");
      await facilitator.pause();
      return;
    }
    if (random.chance(0.25)) return;
    const settles = random.chance(0.75);
    const fault = random.pick(
      settles ? ([...SETTLE_FAULTS, ...SETTLE_FAULTS, ...CALL_FAULTS] as const) : CALL_FAULTS,
    );
    const times = random.chance(0.3) ? undefined : random.between(1, 6);
    const delayMs = random.between(100, SLOW_MS_MAX);
    this.#count(`${settles ? "settle" : "verify"} ${fault}`);
    await facilitator.control.inject({
      operation: settles ? "settle" : "verify",
      fault,
      times,
      ...(fault === "slow" ? { delayMs } : {}),
    });
  }

  async #stopChain(lengthMs: number): Promise<void> {
    this.counts.chainStops += 1;
    process.kill(this.#world.chain.pid, "SIGSTOP");
    try {
      await delay(lengthMs);
    } finally {
      process.kill(this.#world.chain.pid, "SIGCONT");
    }
  }

  /** The runtime alone, as after a crash of it; Miniflare starts it again by itself. */
  async #killWorker(): Promise<void> {
    const path = join(this.#world.stateDir, "processes.json");
    const { workerd } = recordSchema.parse(JSON.parse(await readFile(path, "utf8"))).children;
    if (!isRunning(workerd)) return;
    this.counts.workerKills += 1;
    process.kill(workerd.pid, "SIGKILL");
    await this.#serves();
  }

  async #killPlatform(): Promise<void> {
    this.counts.platformKills += 1;
    await this.#world.kill();
    await this.#world.restart();
  }

  async #serves(): Promise<void> {
    const deadlineMs = Date.now() + WORKER_RESTART_TIMEOUT_MS;
    while (Date.now() < deadlineMs) {
      const health = await fetch(`${this.#world.url}/healthz`).catch(() => null);
      if (health?.ok === true) return;
      await delay(POLL_MS);
    }
    throw new Error(
      `the platform did not serve within ${WORKER_RESTART_TIMEOUT_MS} ms of its worker's end\n` +
        this.#world.platform.output(),
    );
  }

  #count(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }
}

/** Whether it was paused or not. */
async function resume(facilitator: TestFacilitator): Promise<void> {
  const isListening = await facilitator.control.stats().then(
    () => true,
    () => false,
  );
  if (!isListening) await facilitator.resume();
}
