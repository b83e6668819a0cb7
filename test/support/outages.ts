/**
 * One paid route on an embedded world whose two facilitators can be made ill, and what each purchase cost whom: what
 * the client got, who was called how often, how often the handler ran and the money moved.
 */
import { vi } from "vitest";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import type {
  AdminFacilitatorList,
  ForceFacilitatorResponse,
} from "../../src/contracts/admin-facilitators.ts";
import type { FacilitatorView } from "../../src/facilitator/health-messages.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import type { Fault, Operation } from "../../src/local/faults.ts";
import { transferCount } from "./chain-facts.ts";
import { OriginServer } from "./origin-server.ts";
import { type Answer, Payer, send } from "./payer.ts";
import { OPERATOR_TOKEN, type TestTenant, TestWorld } from "./platform.ts";

export type Role = "primary" | "fallback";

/** So long that a healthy facilitator on a machine that stalls is not taken for one that hangs. */
export const VERIFY_TIMEOUT_MS = 4_000;
export const SETTLE_TIMEOUT_MS = 5_000;

/** Longer than an engine's retries after a short outage, and than the time that an edge distrusts a facilitator. */
const WITHIN = { timeout: 45_000, interval: 250 };
/** Each look is a purchase. */
const WELL_AGAIN = { timeout: 45_000, interval: 500 };

/** An edge reports once a second. */
const REPORTED = { timeout: 1_500, interval: 100 };
/** A breaker stays open for four to six seconds first. Between two purchases, the edge has reported the one before. */
const RECOVERY = { timeout: 60_000, interval: 1_500 };

/** Calls that arrived: how often it was asked to verify and to settle. */
export type Calls = readonly [verify: number, settle: number];

export interface Cost {
  readonly primary: Calls;
  readonly fallback: Calls;
  readonly handlerRuns: number;
  readonly transfers: number;
}

const FACILITATOR_IDS = { primary: "facilitator-1", fallback: "facilitator-2" } as const;

export class Outages {
  readonly world: TestWorld;
  readonly origin: OriginServer;
  readonly url: string;
  readonly #tenant: TestTenant;
  readonly #chain: ChainTestClient;
  readonly #killed = new Set<Role>();
  readonly #payers = payers.map(({ privateKey }) => new Payer(privateKey));

  private constructor(world: TestWorld, origin: OriginServer, tenant: TestTenant) {
    this.world = world;
    this.origin = origin;
    this.url = `${world.url}/t/${tenant.tenantId}/answer`;
    this.#tenant = tenant;
    this.#chain = chainTestClient(world.chain.rpcUrl);
  }

  /** @param flags of `claw dev`, in addition */
  static async start(flags: readonly string[] = []): Promise<Outages> {
    const timeouts = {
      "--verify-timeout": VERIFY_TIMEOUT_MS,
      "--settle-timeout": SETTLE_TIMEOUT_MS,
    };
    const world = await TestWorld.start([...Object.entries(timeouts).flat().map(String), ...flags]);
    const origin = await OriginServer.start();
    const tenant = await world.createTenant();
    await tenant.api.deploy({
      tenant: tenant.tenantId,
      datasets: {},
      routes: [{ path: "/answer", origin: origin.url, price: "$0.01" }],
    });
    return new Outages(world, origin, tenant);
  }

  async stop(): Promise<void> {
    await this.origin.stop();
    await this.world.stop();
  }

  async inject(roles: readonly Role[], operation: Operation, fault: Fault): Promise<void> {
    for (const role of roles) await this.#facilitator(role).control.inject({ operation, fault });
  }

  /** Connections to it are refused from now on, and it can't say what it counted. */
  async kill(role: Role): Promise<void> {
    this.#killed.add(role);
    await this.#facilitator(role).pause();
  }

  /** Starts what was killed. */
  async revive(): Promise<void> {
    for (const role of this.#killed) await this.#facilitator(role).resume();
    this.#killed.clear();
  }

  /** Takes every fault back. */
  async heal(): Promise<void> {
    for (const { control } of this.world.facilitators) await control.clear();
  }

  /** Buys with the official client, as any program would. */
  buy(payer = 0): Promise<Answer> {
    return this.#payerOf(payer).pay(this.url);
  }

  /** A payment signed by the official client, to be sent more than once. */
  sign(payer = 0): Promise<string> {
    return this.#payerOf(payer).sign(this.url);
  }

  send(header: string): Promise<Answer> {
    return send(this.url, header);
  }

  /** Sends the same header until it is answered with what was paid for. */
  resend(header: string): Promise<Answer> {
    return vi.waitFor(async () => {
      const answer = await this.send(header);
      if (answer.status !== 200) throw new Error(`still ${answer.status} ${answer.code}`);
      return answer;
    }, WITHIN);
  }

  /** What everything since a reading cost: `const costs = await outages.meter(); …; await costs()`. */
  async meter(): Promise<() => Promise<Cost>> {
    const before = await this.#read();
    return async () => {
      const after = await this.#read();
      return {
        primary: difference(after.primary, before.primary),
        fallback: difference(after.fallback, before.fallback),
        handlerRuns: after.handlerRuns - before.handlerRuns,
        transfers: after.transfers - before.transfers,
      };
    };
  }

  /** The operators' view of one facilitator. */
  async view(role: Role): Promise<FacilitatorView> {
    const response = await fetch(`${this.world.url}/admin/facilitators`, {
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
    });
    const { regions } = await response.json<AdminFacilitatorList>();
    const view = regions[0]?.facilitators.find(({ id }) => id === FACILITATOR_IDS[role]);
    if (view === undefined) throw new Error(`no ${role}`);
    return view;
  }

  async force(role: Role, action: "open" | "close" | "auto"): Promise<FacilitatorView> {
    const target = `/admin/facilitators/${FACILITATOR_IDS[role]}/${action}`;
    const response = await fetch(this.world.url + target, {
      method: "POST",
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
      body: JSON.stringify({ reason: "an end-to-end test" }),
    });
    if (!response.ok) throw new Error(await response.text());
    const { regions } = await response.json<ForceFacilitatorResponse>();
    const [region] = regions;
    if (region === undefined) throw new Error("nowhere");
    return region.facilitator;
  }

  /** Kinds of the platform's alerts since a time, oldest first. */
  async alerts(sinceMs = 0): Promise<string[]> {
    const response = await fetch(`${this.world.url}/admin/alerts?tenant=platform&limit=500`, {
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
    });
    const { alerts } = platformAlertListSchema.parse(await response.json());
    const late = alerts.filter(({ atMs }) => atMs >= sinceMs);
    return late.map(({ kind }) => kind).toReversed();
  }

  /** Nothing is at fault, all breakers are closed and empty, and the primary has its traffic. */
  async wellAgain(): Promise<void> {
    await this.heal();
    for (const role of ["primary", "fallback"] as const) {
      await this.force(role, "close");
      await this.force(role, "auto");
    }
    await vi.waitFor(async () => {
      const costs = await this.meter();
      await this.buy();
      const { primary } = await costs();
      if (primary[0] !== 1 || primary[1] !== 1) throw new Error("the fallback serves");
    }, WELL_AGAIN);
  }

  /** Like `wellAgain`, and the edge has heard of it: from now on the breakers count what it reports. */
  async breakersCount(): Promise<void> {
    await this.wellAgain();
    await vi.waitFor(async () => {
      await this.buy();
      await vi.waitFor(async () => {
        const { verify, settle } = await this.view("primary");
        if (verify.window.calls * settle.window.calls === 0) throw new Error("nothing counted");
      }, REPORTED);
    }, WELL_AGAIN);
  }

  /** Which breakers of the primary its calls have moved since a time, and to which state, oldest first. */
  async movedByCalls(sinceMs: number): Promise<string[]> {
    const { transitions } = await this.view("primary");
    return transitions
      .filter(({ atMs, cause }) => atMs >= sinceMs && cause === "calls")
      .map(({ operation, to }) => `${operation} ${to}`)
      .toReversed();
  }

  /** Buys until a breaker of the primary has closed by itself. */
  async untilClosed(operation: "verify" | "settle"): Promise<void> {
    await vi.waitFor(async () => {
      const { state } = (await this.view("primary"))[operation];
      if (state === "closed") return;
      await this.buy();
      throw new Error(`still ${state}`);
    }, RECOVERY);
  }

  #facilitator(role: Role) {
    return this.world.facilitators[role === "primary" ? 0 : 1];
  }

  #payerOf(index: number): Payer {
    const payer = this.#payers[index];
    if (payer === undefined) throw new Error(`no payer ${index}`);
    return payer;
  }

  async #read(): Promise<Cost> {
    const [primary, fallback] = await Promise.all(
      this.world.facilitators.map(async ({ control }): Promise<Calls> => {
        const { calls } = await control.stats();
        return [calls.verify.received, calls.settle.received];
      }),
    );
    if (primary === undefined || fallback === undefined) throw new Error("two facilitators");
    const transfers = await transferCount(this.#chain, this.#tenant.payTo);
    return { primary, fallback, handlerRuns: this.origin.calls, transfers };
  }
}

function difference(after: Calls, before: Calls): Calls {
  return [after[0] - before[0], after[1] - before[1]];
}
