/**
 * Two edges, the product's Worker in a process each, which share one FacilitatorHealth; two facilitators over HTTP,
 * each on a path of its own from each edge. Everything runs in the real runtime and in real time, and every call is
 * a purchase by the official client.
 */
import { randomBytes } from "node:crypto";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { PlatformApi } from "../../src/cli/platform-api.ts";
import type {
  AdminFacilitatorList,
  RegionHealthView,
} from "../../src/contracts/admin-facilitators.ts";
import type { FacilitatorView } from "../../src/facilitator/health-messages.ts";
import { hashOperatorToken } from "../../src/tenant/operators.ts";
import { AgreeingFacilitator } from "../support/agreeing-facilitator.ts";
import { Edges } from "../support/edges.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, quoteOf, send } from "../support/payer.ts";

const NETWORK = "eip155:84532";
const OPERATOR_TOKEN = "operator-token-of-the-edges";
/** An answer that takes more than half of it counts as slow: far more than one takes on a busy machine. */
const TIMEOUT_MS = 4_000;
/** Measured in real time, which a machine that stalls spoils: the best of so many attempts. */
const ATTEMPTS = { retry: 3 };

type EdgeName = "a" | "b";
const PLACES = { a: 0, b: 1 } as const;
const TENANT = `t-${randomBytes(6).toString("hex")}`;

let primary: AgreeingFacilitator;
let fallback: AgreeingFacilitator;
let origin: OriginServer;
let world: Edges;

beforeAll(async () => {
  primary = await AgreeingFacilitator.create("aa", NETWORK);
  fallback = await AgreeingFacilitator.create("bb", NETWORK);
  origin = await OriginServer.start();
  const timeouts = { verifyMs: TIMEOUT_MS, settleMs: TIMEOUT_MS, supportedMs: TIMEOUT_MS };
  const seenFrom = (place: 0 | 1) => [
    { id: "primary", url: primary.paths[place].url, timeouts },
    { id: "fallback", url: fallback.paths[place].url, timeouts },
  ];
  world = await Edges.start({
    variables: {
      NETWORKS: JSON.stringify([{ caip2: NETWORK }]),
      OPERATORS: JSON.stringify([
        { name: "tests", tokenHash: await hashOperatorToken(OPERATOR_TOKEN) },
      ]),
      QUOTE_SECRET: "quote-secret-of-the-edges-0123456789",
    },
    facilitators: [seenFrom(PLACES.a), seenFrom(PLACES.b)],
  });
  const wallet = privateKeyToAddress(generatePrivateKey());
  const operator = new PlatformApi(world.edges[0].url, OPERATOR_TOKEN);
  const { apiKey } = await operator.createTenant({ tenantId: TENANT, wallet });
  const api = new PlatformApi(world.edges[0].url, apiKey);
  await api.deploy({
    tenant: TENANT,
    datasets: {},
    routes: [{ path: "/answer", origin: origin.url, price: "$0.01" }],
  });
  await world.replicate();
  // The first to reach the ledger has to be the process that runs it (see `Edges`).
  await api.balance();
});

afterAll(async () => {
  await world.stop();
  await origin.stop();
  await Promise.all([primary.cut(), fallback.cut()]);
});

function answerUrl(edge: EdgeName): string {
  return `${world.edges[PLACES[edge]].url}/t/${TENANT}/answer`;
}

/** A purchase at an edge, by a payer of its own. */
function buy(edge: EdgeName): Promise<Answer & { readonly header: string }> {
  return new Payer(generatePrivateKey()).pay(answerUrl(edge));
}

const receiptSchema = z.object({ transaction: z.string() });

/** Who settled a purchase at an edge; the code when it was not served. */
async function servedBy(edge: EdgeName): Promise<string> {
  const { status, code, headers } = await buy(edge);
  if (status !== 200) return `${status} ${code}`;
  const header = Buffer.from(headers.get("PAYMENT-RESPONSE") ?? "", "base64").toString();
  const { transaction } = receiptSchema.parse(JSON.parse(header));
  return transaction.startsWith("0xaa") ? "primary" : "fallback";
}

/** The operators' view, asked for at the edge that does not run the shared object. */
async function health(): Promise<RegionHealthView> {
  const response = await fetch(`${world.edges[1].url}/admin/facilitators`, {
    headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
  });
  const { regions } = await response.json<AdminFacilitatorList>();
  const [region] = regions;
  if (region === undefined) throw new Error("no region");
  return region;
}

async function primaryView(): Promise<FacilitatorView> {
  const { facilitators } = await health();
  const view = facilitators.find(({ id }) => id === "primary");
  if (view === undefined) throw new Error("no primary");
  return view;
}

/** Verifications at the primary that failed lately, by edge, ascending. */
async function primaryFailures(): Promise<number[]> {
  const { edges } = await health();
  return edges
    .flatMap(({ calls }) => calls)
    .filter((each) => each.facilitatorId === "primary" && each.operation === "verify")
    .map(({ failures }) => failures)
    .toSorted((left, right) => left - right);
}

/** Verifications that have arrived at the primary from an edge. */
function askedBy(edge: EdgeName): number {
  return primary.paths[PLACES[edge]].verifications;
}

const SOON = { timeout: 20_000, interval: 100 };
/** Time for a breaker that is opened for the first times to be probed. */
const RECOVERY = { timeout: 90_000, interval: 250 };

async function expectServedByPrimary(): Promise<void> {
  expect(await Promise.all([servedBy("a"), servedBy("b")])).toEqual(["primary", "primary"]);
}

/** Every breaker closed and empty, as if nothing had ever happened, and the primary has its traffic. */
async function wellAgain(): Promise<void> {
  for (const target of ["primary/close", "primary/auto", "fallback/close", "fallback/auto"]) {
    const response = await fetch(`${world.edges[1].url}/admin/facilitators/${target}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
      body: JSON.stringify({ reason: "an end-to-end test" }),
    });
    expect(response.status).toBe(200);
  }
  await vi.waitFor(expectServedByPrimary, RECOVERY);
}

it("runs in two processes", () => {
  const [a, b] = world.edges;
  expect(a.pid).not.toBe(b.pid);
  for (const { pid } of [a, b]) expect(process.kill(pid, 0)).toBe(true);
});

it("quotes at every edge before any facilitator was ever reached, and charges nobody", async () => {
  for (const edge of ["a", "b"] as const) {
    const { accepts } = await quoteOf(answerUrl(edge));
    expect(accepts[0]).toMatchObject({ scheme: "exact", network: NETWORK });
  }
  expect(await servedBy("b")).toBe("503 facilitator_unavailable");
});

it("serves both edges when the facilitators are there, and learns what they serve", async () => {
  await Promise.all([primary.connect(), fallback.connect()]);
  await vi.waitFor(expectServedByPrimary, RECOVERY);
  await vi.waitFor(
    async () => expect((await primaryView()).supported?.kinds).toHaveLength(1),
    RECOVERY,
  );
});

it("shows a failure that one edge alone sees as that edge's own", async () => {
  await wellAgain();
  await vi.waitFor(async () => expect((await primaryView()).verify.callingEdges).toBe(2), SOON);
  for (let call = 0; call < 8; call += 1) expect(await servedBy("a")).toBe("primary");
  const before = await primaryFailures();
  await primary.paths[PLACES.b].cut();
  expect(await servedBy("b")).toBe("fallback");
  await vi.waitFor(async () => {
    const { verify } = await primaryView();
    expect(verify).toMatchObject({ state: "closed", callingEdges: 2, failingEdges: 1 });
    expect(await primaryFailures()).toEqual([0, (before[1] ?? 0) + 1]);
  }, SOON);
  expect(await servedBy("a")).toBe("primary");
  await primary.paths[PLACES.b].connect();
  await vi.waitFor(expectServedByPrimary, RECOVERY);
});

describe("a primary that is killed", () => {
  beforeAll(wellAgain);

  it("costs the very next call of every edge nothing: the fallback serves it", async () => {
    await primary.cut();
    expect(await servedBy("a")).toBe("fallback");
    expect(await servedBy("b")).toBe("fallback");
  });

  it("has its traffic back when it is there again", async () => {
    await primary.connect();
    await vi.waitFor(expectServedByPrimary, RECOVERY);
  });
});

describe("a primary that hangs, as one edge found", () => {
  it(
    "is not asked by the other one, whose very next purchase within two seconds goes elsewhere",
    ATTEMPTS,
    async () => {
      primary.isHanging = false;
      await wellAgain();
      const { header } = await buy("b");
      primary.isHanging = true;
      await vi.waitFor(async () => {
        await Promise.all([servedBy("a"), servedBy("a"), servedBy("a")]);
        expect((await primaryView()).verify.state).toBe("open");
      }, RECOVERY);
      const openSinceMs = (await primaryView()).verify.sinceMs;
      // It has work meanwhile that needs no facilitator, and with that a copy of the shared health.
      await vi.waitFor(async () => {
        expect((await send(answerUrl("b"), header)).replayed).toBe(true);
        const { edges } = await health();
        expect(edges.filter(({ lastSeenMs }) => lastSeenMs >= openSinceMs)).toHaveLength(2);
      }, SOON);
      const startedAtMs = performance.now();
      const before = askedBy("b");
      expect(await servedBy("b")).toBe("fallback");
      expect(askedBy("b") - before).toBe(0);
      expect(performance.now() - startedAtMs).toBeLessThan(TIMEOUT_MS);
      expect(Date.now() - openSinceMs).toBeLessThan(2_000);
    },
  );

  it(
    "is probed by one call at a time over both edges, beside the calls, until it answers",
    { timeout: 240_000 },
    async () => {
      const before = askedBy("a") + askedBy("b");
      const probes = () => askedBy("a") + askedBy("b") - before;
      await vi.waitFor(async () => {
        await Promise.all([servedBy("a"), servedBy("a"), servedBy("b"), servedBy("b")]);
        expect(probes()).toBeGreaterThan(0);
      }, RECOVERY);
      expect(probes()).toBe(1);
      primary.isHanging = false;
      await vi.waitFor(expectServedByPrimary, RECOVERY);
    },
  );
});
