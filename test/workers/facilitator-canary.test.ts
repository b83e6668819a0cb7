import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { CanaryRuns } from "../../durable-objects/facilitator-canary/canary-runs.ts";
import { facilitatorCanaryOf } from "../../durable-objects/facilitator-canary/client.ts";
import type { ChainReader } from "../../src/chain/port.ts";
import type { AdminFacilitatorList } from "../../src/contracts/admin-facilitators.ts";
import type { FacilitatorConfig } from "../../src/config.ts";
import { parseCanary } from "../../src/facilitator/canary-config.ts";
import type { CallOutcome, RoutingHealth } from "../../src/facilitator/health-messages.ts";
import type { Fetch } from "../../src/facilitator/http-exchange.ts";
import type { ConfirmationEvidence } from "../../src/settlement/evidence.ts";
import { call } from "../support/control-plane.ts";

/*
 * The canary on the storage of a real object, with an exchange of its own: facilitators that do what they are told,
 * and a health that remembers what it was told.
 */
const NETWORK = {
  caip2: "eip155:84532",
  rpcUrl: null,
  asset: { address: `0x${"a5".repeat(20)}`, name: "USDC", version: "2", decimals: 6 },
  confirmations: 0,
};
const INTERVAL_MS = 60_000;
/** Far ahead of any real clock: alarms of then do not fire by themselves. */
const NOON_MS = Date.UTC(2099, 0, 15, 12);
const HASH = `0x${"ab".repeat(32)}`;

const SECRETS = { CANARY_KEY: `0x${"17".repeat(32)}` };

const canary = parseCanary(
  {
    CANARY: JSON.stringify({
      secret: "CANARY_KEY",
      network: NETWORK.caip2,
      payTo: `0x${"51".repeat(20)}`,
      amountAtomic: "10",
      intervalMs: INTERVAL_MS,
      dailySpendCapAtomic: "35",
    }),
    ...SECRETS,
  },
  [NETWORK],
  [{}],
);

const FACILITATORS = ["primary", "fallback"].map((id): FacilitatorConfig => ({
  id,
  url: `https://${id}.example`,
  auth: { type: "none" },
  timeouts: { verifyMs: 100, settleMs: 100, supportedMs: 100 },
}));

type State = "closed" | "open" | "half_open" | "forced_open";

class CanaryWorld {
  nowMs = NOON_MS;
  readonly calls: string[] = [];
  readonly reported: CallOutcome[] = [];
  readonly bodies: string[] = [];
  state: State = "closed";
  isProbeFree = true;
  settle: (facilitatorId: string) => Response | Promise<Response> = () =>
    Response.json({ success: true, transaction: HASH, network: NETWORK.caip2 });
  /** What the chain says of every transfer; null: there is no node to ask. */
  evidence: ConfirmationEvidence | null = null;
  readonly #object = env.FACILITATOR_CANARY.getByName(crypto.randomUUID());

  /** As the object does at every start: what is stored is all that is known. */
  async run<Result>(use: (runs: CanaryRuns) => Promise<Result> | Result): Promise<Result> {
    if (canary === null) throw new Error("no canary");
    const chain = this.#chain();
    const options = { canary, chain, facilitators: FACILITATORS, now: () => this.nowMs };
    return await runInDurableObject(this.#object, async (_, { storage }) => {
      const health = this.#health();
      return await use(await CanaryRuns.load({ ...options, storage, health, fetch: this.#fetch }));
    });
  }

  /** Calls since the last question, in the order of their names. */
  taken(): string[] {
    return this.calls.splice(0).toSorted();
  }

  evict(): Promise<void> {
    return evictDurableObject(this.#object);
  }

  #chain(): Pick<ChainReader, "confirmTransfer"> | null {
    const { evidence } = this;
    return evidence === null ? null : { confirmTransfer: () => Promise.resolve(evidence) };
  }

  /** What became of the payments, in the order of the facilitators. */
  async outcomes() {
    const { facilitators } = await this.run((runs) => runs.view);
    return facilitators.map(({ last }) => last?.outcome);
  }

  #health() {
    const standing = { state: this.state, epoch: 4, isProbing: false, rateLimitedUntilMs: 0 };
    const facilitator = {
      verify: standing,
      settle: standing,
      kinds: null,
      extensions: [],
      verifyP95Ms: null,
    };
    const health: RoutingHealth = { facilitators: { primary: facilitator, fallback: facilitator } };
    return {
      report: async ({ outcomes }: { outcomes: readonly CallOutcome[] }) => {
        this.reported.push(...outcomes);
        return health;
      },
      requestProbe: async (facilitatorId: string, operation: string) =>
        this.isProbeFree
          ? {
              result: "granted" as const,
              probeId: `${facilitatorId}-${operation}`,
              epoch: 5,
              startWithinMs: 1_000,
            }
          : { result: "denied" as const },
    };
  }

  readonly #fetch: Fetch = async (url, { body }) => {
    const { hostname, pathname } = new URL(url);
    const facilitatorId = hostname.replace(".example", "");
    this.calls.push(`${facilitatorId}${pathname}`);
    this.bodies.push(typeof body === "string" ? body : "");
    if (pathname === "/settle") return await this.settle(facilitatorId);
    return Response.json({ isValid: true, payer: canary?.wallet });
  };
}

const WITHIN = { timeout: 30_000, interval: 50 };
const EVERYBODY = ["fallback/settle", "fallback/verify", "primary/settle", "primary/verify"];
let world: CanaryWorld;

beforeEach(() => {
  world = new CanaryWorld();
});

describe("a canary", () => {
  it("pays through each facilitator once per interval, and says what came of it", async () => {
    const nextMs = await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual(EVERYBODY);
    expect(nextMs).toBe(NOON_MS + INTERVAL_MS);
    world.nowMs += INTERVAL_MS - 1;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual([]);
    const { spentTodayAtomic, facilitators } = await world.run((runs) => runs.view);
    expect(spentTodayAtomic).toBe("20");
    expect(facilitators[0]).toMatchObject({
      id: "primary",
      last: { atMs: NOON_MS, outcome: "settled", reason: null, transaction: HASH },
    });
  });

  it("stops at the day's cap, also through an eviction, and goes on the day after", async () => {
    await world.run((runs) => runs.runDue());
    await world.evict();
    world.nowMs += INTERVAL_MS;
    expect(world.taken()).toEqual(EVERYBODY);
    const nextMs = await world.run((runs) => runs.runDue());
    // Thirty of thirty-five are spent: there is not enough for a fourth.
    expect(world.taken()).toHaveLength(2);
    expect(nextMs).toBe(Date.UTC(2099, 0, 16));
    world.nowMs = nextMs - 1;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual([]);
    world.nowMs = nextMs;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual(EVERYBODY);
    expect((await world.run((runs) => runs.view)).spentTodayAtomic).toBe("20");
  });

  it("counts as spent what nobody knows the outcome of", async () => {
    world.settle = () => new Response("<html>", { status: 502 });
    await world.run((runs) => runs.runDue());
    const { spentTodayAtomic, facilitators } = await world.run((runs) => runs.view);
    expect(spentTodayAtomic).toBe("20");
    expect(facilitators.map(({ last }) => last?.outcome)).toEqual(["ambiguous", "ambiguous"]);
  });

  it("has spent before anything is sent: one that was lost on the way stays spent and unknown", async () => {
    world.settle = () => new Promise(() => undefined);
    await world.run(async (runs) => {
      void runs.runDue();
      await vi.waitFor(() => expect(world.calls.toSorted()).toEqual(EVERYBODY), WITHIN);
    });
    expect(await world.run((runs) => runs.view)).toMatchObject({
      spentTodayAtomic: "20",
      facilitators: [{ last: { outcome: "unknown" } }, { last: { outcome: "unknown" } }],
    });
  });

  it("signs each payment anew, for the sink, and shows nobody its key", async () => {
    await world.run((runs) => runs.runDue());
    const nonces = world.bodies.map((body) => /"nonce":"(0x[0-9a-f]{64})"/.exec(body)?.[1]);
    expect(new Set(nonces).size).toBe(2);
    for (const body of world.bodies) {
      expect(body).toContain(`"payTo":"${canary?.payTo}"`);
      expect(body).not.toContain("17".repeat(32));
    }
  });

  it("reports to the shared health what it saw, as an edge does", async () => {
    world.settle = () => new Response("<html>", { status: 502 });
    await world.run((runs) => runs.runDue());
    const seen = world.reported.map(
      ({ facilitatorId, operation, signal, epoch }) =>
        `${facilitatorId} ${operation} ${signal} ${epoch}`,
    );
    expect(seen.toSorted()).toEqual([
      "fallback settle server 4",
      "fallback verify healthy 4",
      "primary settle server 4",
      "primary verify healthy 4",
    ]);
  });

  it.each<State>(["open", "forced_open"])("pays nobody whose breaker is %s", async (state) => {
    world.state = state;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual([]);
    expect((await world.run((runs) => runs.view)).spentTodayAtomic).toBe("0");
  });

  it("looks again soon where a breaker let nobody through", async () => {
    world.state = "open";
    expect(await world.run((runs) => runs.runDue())).toBe(NOON_MS + 15_000);
  });

  it("is the probe where a breaker is half-open, and pays nobody while another one probes", async () => {
    world.state = "half_open";
    world.isProbeFree = false;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual([]);
    world.isProbeFree = true;
    await world.run((runs) => runs.runDue());
    expect(world.taken()).toEqual(EVERYBODY);
    const probeIds = world.reported.map(({ probeId }) => probeId ?? "");
    expect(probeIds.toSorted()).toEqual(EVERYBODY.map((taken) => taken.replace("/", "-")));
  });

  it("tells operators once that payments fail, and again when they do after one that settled", async () => {
    const told: string[] = [];
    const publish = async ({ detail }: { detail: string }) => void told.push(detail);
    const works = world.settle;
    const fails = (id: string) =>
      id === "primary" ? new Response("<html>", { status: 502 }) : works(id);
    for (const settle of [fails, fails, works, fails]) {
      // One a day: the cap is not what this is about.
      world.nowMs += 24 * 3_600_000;
      world.settle = settle;
      await world.run((runs) => runs.runDue());
      await world.run((runs) => runs.alert(publish));
    }
    const failure = "a payment of our own through primary: facilitator_error";
    expect(told).toEqual([failure, failure]);
  });

  describe("that can ask the chain", () => {
    const block = { blockNumber: 7n, blockHash: HASH, blockTimestampMs: NOON_MS };
    const transfer = { transaction: HASH, logIndex: 1, ...block };
    beforeEach(async () => {
      world.evidence = { found: "shallow", confirmations: 0 };
      await world.run((runs) => runs.runDue());
      world.taken();
    });

    it("asks until a settlement is confirmed, and pays nothing more before that", async () => {
      world.nowMs += INTERVAL_MS;
      expect(await world.run((runs) => runs.runDue())).toBe(world.nowMs + 5_000);
      expect(world.taken()).toEqual([]);
      expect(await world.outcomes()).toEqual(["settled", "settled"]);
      world.evidence = { found: "confirmed", transfer };
      world.nowMs = Date.UTC(2099, 0, 15, 12, 2);
      await world.run((runs) => runs.runDue());
      expect(world.taken()).toHaveLength(2);
    });

    it("shows what is confirmed", async () => {
      world.evidence = { found: "confirmed", transfer };
      world.nowMs += 5_000;
      expect(await world.run((runs) => runs.runDue())).toBe(NOON_MS + INTERVAL_MS);
      expect(await world.outcomes()).toEqual(["confirmed", "confirmed"]);
    });

    it("catches a facilitator that says settled and settles nothing, and tells so once", async () => {
      const told: string[] = [];
      const publish = async ({ detail }: { detail: string }) => void told.push(detail);
      await world.run((runs) => runs.alert(publish));
      expect(told).toEqual([]);
      world.evidence = { found: "missing" };
      for (let days = 0; days < 2; days += 1) {
        world.nowMs += 24 * 3_600_000;
        // The alarm comes back at once: first the chain is asked, then the next payment is made.
        expect(await world.run((runs) => runs.runDue())).toBe(world.nowMs);
        await world.run((runs) => runs.alert(publish));
        expect(await world.outcomes()).toEqual(["missing", "missing"]);
        await world.run((runs) => runs.runDue());
      }
      expect(told.toSorted()).toEqual([
        "a payment of our own through fallback: settlement_missing",
        "a payment of our own through primary: settlement_missing",
      ]);
    });

    it("leaves it at the facilitator's word where the node says nothing for five minutes", async () => {
      world.evidence = { found: "unavailable", reason: "no answer" };
      world.nowMs += 5 * 60_000;
      await world.run((runs) => runs.runDue());
      // The next one: thirty of thirty-five are spent.
      expect(world.taken()).toHaveLength(2);
      expect(await world.outcomes()).toEqual(["settled", "settled"]);
    });
  });

  it("tells them again when it could not", async () => {
    world.settle = () => new Response("<html>", { status: 502 });
    await world.run((runs) => runs.runDue());
    const refuse = () => Promise.reject(new Error("no directory"));
    await world.run((runs) => expect(runs.alert(refuse)).rejects.toThrow("no directory"));
    const told: number[] = [];
    await world.run((runs) => runs.alert(async ({ alert }) => void told.push(alert)));
    expect(new Set(told).size).toBe(2);
  });
});

it("is off unless it is configured: the object has nothing to show, and no alarm", async () => {
  expect(await facilitatorCanaryOf(env).view()).toBeNull();
  const object = env.FACILITATOR_CANARY.getByName("canary");
  expect(await runInDurableObject(object, (_, { storage }) => storage.getAlarm())).toBeNull();
  const response = await call("GET /admin/facilitators", { credential: env.OPERATOR_TOKEN });
  expect((await response.json<AdminFacilitatorList>()).canary).toBeNull();
});
