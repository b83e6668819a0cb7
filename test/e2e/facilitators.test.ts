/**
 * Every fault of a facilitator, at verify and at settle, at the primary, at the fallback and at both, as the official
 * client meets it on a real chain: it always ends with the content, one run of the handler and one transfer.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Fault } from "../../src/local/faults.ts";
import {
  type Calls,
  Outages,
  type Role,
  SETTLE_TIMEOUT_MS,
  VERIFY_TIMEOUT_MS,
} from "../support/outages.ts";
import { heldAnswer } from "../support/origin-server.ts";
import type { Answer } from "../support/payer.ts";

let outages: Outages;

beforeAll(async () => {
  outages = await Outages.start();
});

afterAll(() => outages?.stop());

/** Handler, chain and everything else of a call that waits for no facilitator. Another wait would be longer. */
const MARGIN_MS = 3_500;
/** An edge hears of a change within a second or two, and trusts a facilitator again after three. */
const SOON = { timeout: 30_000, interval: 250 };
const ONCE = { handlerRuns: 1, transfers: 1 };
const UNTOUCHED: Calls = [0, 0];

/** What the client is told first. Whatever it is not 200, the same header sent again gets the content. */
const OK = "200 settled";
const UNKNOWN = "503 settlement_unknown";
const UNAVAILABLE = "503 facilitator_unavailable";

function told({ status, code, paymentStatus }: Answer): string {
  return `${status} ${code ?? paymentStatus}`;
}

function expectRetryAfter({ headers }: Answer) {
  expect(Number(headers.get("Retry-After"))).toBeGreaterThan(0);
}

/** The next purchase is verified and settled there. */
async function expectServedBy(role: Role) {
  const costs = await outages.meter();
  expect(told(await outages.buy())).toBe(OK);
  expect((await costs())[role]).toEqual([1, 1]);
}

interface FaultRow {
  readonly operation: "verify" | "settle";
  readonly fault: Fault;
  readonly client: string;
  readonly primary: Calls;
  readonly fallback: Calls;
}

function row(
  operation: FaultRow["operation"],
  fault: Fault,
  client: string,
  primary: Calls,
  fallback: Calls,
): FaultRow {
  return { operation, fault, client, primary, fallback };
}

/** A purchase while the primary is at fault. */
async function expectServed({ operation, fault, client, primary, fallback }: FaultRow) {
  const costs = await outages.meter();
  const header = await outages.sign();
  await outages.inject(["primary"], operation, fault);
  const startedAtMs = performance.now();
  const first = await outages.send(header);
  const durationMs = performance.now() - startedAtMs;
  expect(told(first)).toBe(client);
  const timeoutMs = operation === "verify" ? VERIFY_TIMEOUT_MS : SETTLE_TIMEOUT_MS;
  expect(durationMs).toBeLessThan(timeoutMs + MARGIN_MS);
  if (first.status === 503) {
    expectRetryAfter(first);
    expect((await outages.resend(header)).paymentStatus).toBe("replayed");
  }
  expect(await costs()).toEqual({ primary, fallback, ...ONCE });
}

describe("a primary at fault", () => {
  test.each<FaultRow>([
    // A verification moves no money: the next facilitator is asked at once, and settles too unless the fault says
    // nothing about settling.
    row("verify", "refuse", OK, [1, 0], [1, 1]),
    row("verify", "500", OK, [1, 0], [1, 1]),
    row("verify", "503-html", OK, [1, 0], [1, 1]),
    row("verify", "bad-json", OK, [1, 0], [1, 1]),
    row("verify", "slow", OK, [1, 1], UNTOUCHED),
    row("verify", "hang", OK, [1, 0], [1, 1]),
    row("settle", "slow", OK, [1, 1], UNTOUCHED),
    // It may have settled. The chain is asked, then the same facilitator once more, then the other one.
    row("settle", "refuse", UNKNOWN, [1, 2], [0, 1]),
    row("settle", "500", UNKNOWN, [1, 2], [0, 1]),
    row("settle", "503-html", UNKNOWN, [1, 2], [0, 1]),
    row("settle", "bad-json", UNKNOWN, [1, 2], [0, 1]),
    row("settle", "hang", UNKNOWN, [1, 2], [0, 1]),
    // It did settle: the chain says so, and nobody is asked again.
    row("settle", "settle-then-lost", UNKNOWN, [1, 1], UNTOUCHED),
    row("settle", "settle-then-hang", UNKNOWN, [1, 1], UNTOUCHED),
    row("settle", "pending", UNKNOWN, [1, 1], UNTOUCHED),
  ])("$fault at $operation: $client, then the content, paid once", async (fault) => {
    await outages.wellAgain();
    await expectServed(fault);
  });
});

describe("a fallback at fault, while the primary is well", () => {
  beforeAll(() => outages.wellAgain());

  test.each<[FaultRow["operation"], Fault]>([
    ["verify", "refuse"],
    ["verify", "500"],
    ["verify", "503-html"],
    ["verify", "429"],
    ["verify", "bad-json"],
    ["verify", "slow"],
    ["verify", "hang"],
    ["settle", "refuse"],
    ["settle", "500"],
    ["settle", "503-html"],
    ["settle", "429"],
    ["settle", "bad-json"],
    ["settle", "slow"],
    ["settle", "hang"],
    ["settle", "settle-then-lost"],
    ["settle", "settle-then-hang"],
    ["settle", "pending"],
  ])("at %s with %s is never noticed", async (operation, fault) => {
    const costs = await outages.meter();
    await outages.inject(["fallback"], operation, fault);
    expect(told(await outages.buy())).toBe(OK);
    await outages.heal();
    expect(await costs()).toEqual({ primary: [1, 1], fallback: UNTOUCHED, ...ONCE });
  });
});

/** Nothing can be verified: nothing runs, nothing is charged, and the resend buys. */
async function expectUnavailable(fault: Fault, header: string) {
  const costs = await outages.meter();
  await outages.inject(["primary", "fallback"], "verify", fault);
  const first = await outages.send(header);
  expect([told(first), first.paymentStatus]).toEqual([UNAVAILABLE, "not-charged"]);
  expectRetryAfter(first);
  expect(await costs()).toEqual({
    primary: [1, 0],
    fallback: [1, 0],
    handlerRuns: 0,
    transfers: 0,
  });
  await outages.heal();
  expect((await outages.resend(header)).paymentStatus).toBe("settled");
  expect(await costs()).toMatchObject(ONCE);
}

/** The handler ran; its answer waits for the money to move, whoever moves it. */
async function expectUnknown(fault: Fault, header: string) {
  const costs = await outages.meter();
  await outages.inject(["primary", "fallback"], "settle", fault);
  const first = await outages.send(header);
  expect(told(first)).toBe(UNKNOWN);
  expectRetryAfter(first);
  expect(await costs()).toMatchObject({ handlerRuns: 1, transfers: 0 });
  await outages.heal();
  await outages.resend(header);
  expect(await costs()).toMatchObject(ONCE);
}

describe("both at fault", () => {
  beforeEach(() => outages.wellAgain());

  test.each<Fault>(["refuse", "500", "503-html", "bad-json", "hang"])(
    "%s at verify: 503, nothing charged, and the resend is served after recovery",
    async (fault) => await expectUnavailable(fault, await outages.sign()),
  );

  test.each<Fault>(["refuse", "500", "503-html", "bad-json", "hang"])(
    "%s at settle: 503, and the resend is served after recovery, paid once",
    async (fault) => await expectUnknown(fault, await outages.sign()),
  );
});

describe("a fallback at fault, while the primary is killed", () => {
  beforeEach(() => outages.wellAgain());
  afterEach(() => outages.revive());

  test.each<Fault>(["settle-then-lost", "settle-then-hang", "pending"])(
    "%s: 503, and the resend is served by what the chain says, paid once",
    async (fault) => {
      const costs = await outages.meter();
      const header = await outages.sign();
      await outages.inject(["fallback"], "settle", fault);
      await outages.kill("primary");
      const first = await outages.send(header);
      expect(told(first)).toBe(UNKNOWN);
      expectRetryAfter(first);
      expect((await outages.resend(header)).paymentStatus).toBe("replayed");
      await outages.revive();
      expect(await costs()).toEqual({ primary: UNTOUCHED, fallback: [1, 1], ...ONCE });
    },
  );

  test("500 at verify: 503, nothing charged, and the resend is served after recovery", async () => {
    const costs = await outages.meter();
    const header = await outages.sign();
    await outages.inject(["fallback"], "verify", "500");
    await outages.kill("primary");
    const first = await outages.send(header);
    expect([told(first), first.paymentStatus]).toEqual([UNAVAILABLE, "not-charged"]);
    expectRetryAfter(first);
    await outages.revive();
    expect(await costs()).toMatchObject({ fallback: [1, 0], handlerRuns: 0, transfers: 0 });
    await outages.heal();
    expect((await outages.resend(header)).paymentStatus).toBe("settled");
    expect(await costs()).toMatchObject(ONCE);
  });
});

describe("a primary that is killed", () => {
  beforeEach(() => outages.wellAgain());
  afterEach(() => outages.revive());

  test("costs the very next call nothing: it is served through the fallback", async () => {
    const costs = await outages.meter();
    await outages.kill("primary");
    expect(told(await outages.buy())).toBe(OK);
    await outages.revive();
    expect(await costs()).toEqual({ primary: UNTOUCHED, fallback: [1, 1], ...ONCE });
  });

  test("while the handler runs: the resend gets the content, paid once at the fallback", async () => {
    const costs = await outages.meter();
    const header = await outages.sign();
    const { answer } = outages.origin;
    outages.origin.answer = (request, response) => {
      void outages.kill("primary").then(() => answer(request, response));
    };
    const first = await outages.send(header);
    outages.origin.answer = answer;
    expect(told(first)).toBe(UNKNOWN);
    expect((await outages.resend(header)).paymentStatus).toBe("replayed");
    await outages.revive();
    expect(await costs()).toEqual({ primary: [1, 0], fallback: [0, 1], ...ONCE });
  });

  test("together with the fallback: 503, nothing charged, and the resend is served after recovery", async () => {
    const header = await outages.sign();
    const costs = await outages.meter();
    await outages.kill("primary");
    await outages.kill("fallback");
    const first = await outages.send(header);
    await outages.revive();
    expect([told(first), first.paymentStatus]).toEqual([UNAVAILABLE, "not-charged"]);
    expectRetryAfter(first);
    expect((await outages.resend(header)).paymentStatus).toBe("settled");
    expect(await costs()).toMatchObject(ONCE);
  });
});

describe("the breaker of the primary", () => {
  const PAYERS_AT_ONCE = [0, 1, 2];

  test("for verify opens after three calls, spares the others the wait, and closes after one probe", async () => {
    await outages.breakersCount();
    const costs = await outages.meter();
    await outages.inject(["primary"], "verify", "hang");
    // Each waits for the primary once, and is served all the same.
    const answers = await Promise.all(PAYERS_AT_ONCE.map((payer) => outages.buy(payer)));
    expect(answers.map(told)).toEqual([OK, OK, OK]);
    await vi.waitFor(async () => {
      expect((await outages.view("primary")).verify.state).toBe("open");
    }, SOON);
    const startedAtMs = performance.now();
    expect(told(await outages.buy())).toBe(OK);
    expect(performance.now() - startedAtMs).toBeLessThan(VERIFY_TIMEOUT_MS);
    const [verifications] = (await costs()).primary;
    expect(verifications).toBe(PAYERS_AT_ONCE.length);

    await outages.heal();
    await outages.untilClosed("verify");
    expect((await costs()).primary[0]).toBe(PAYERS_AT_ONCE.length + 1);
    await vi.waitFor(() => expectServedBy("primary"), SOON);
  });

  test("for settle opens by itself, and closes after one settlement", async () => {
    await outages.breakersCount();
    const startedAtMs = Date.now();
    const costs = await outages.meter();
    await outages.inject(["primary"], "settle", "500");
    const headers = await Promise.all(PAYERS_AT_ONCE.map((payer) => outages.sign(payer)));
    // All get to settle at the same time: a little later, this edge would know better.
    const { origin } = outages;
    const [held, handlerRuns] = [heldAnswer(), origin.calls + PAYERS_AT_ONCE.length];
    origin.answer = held.answer;
    const sent = Promise.all(headers.map((header) => outages.send(header)));
    await vi.waitFor(() => expect(origin.calls).toBe(handlerRuns), SOON);
    held.release();
    expect((await sent).map(told)).toEqual([UNKNOWN, UNKNOWN, UNKNOWN]);
    await Promise.all(headers.map((header) => outages.resend(header)));
    await vi.waitFor(async () => {
      expect(new Set(await outages.movedByCalls(startedAtMs))).toEqual(new Set(["settle open"]));
    }, SOON);
    expect(await costs()).toMatchObject({ fallback: [0, 3], handlerRuns: 3, transfers: 3 });

    await outages.heal();
    const healed = await outages.meter();
    await outages.untilClosed("settle");
    expect((await healed()).primary[1]).toBe(1);
    await vi.waitFor(() => expectServedBy("primary"), SOON);
    await vi.waitFor(async () => {
      const alerts = await outages.alerts(startedAtMs);
      expect(alerts.filter((kind) => kind.startsWith("facilitator_"))).toEqual([
        "facilitator_open",
        "facilitator_recovered",
      ]);
    }, SOON);
  });
});

test("an operator's word moves the traffic, and moves it back", async () => {
  await outages.wellAgain();
  expect((await outages.force("primary", "open")).settle.state).toBe("forced_open");
  await vi.waitFor(() => expectServedBy("fallback"), SOON);
  await outages.force("primary", "auto");
  await vi.waitFor(() => expectServedBy("primary"), SOON);
});

describe("a facilitator that limits us", () => {
  beforeEach(() => outages.wellAgain());

  test.each<FaultRow>([
    row("verify", "429", OK, [1, 1], [1, 0]),
    // Turned away unprocessed, so it goes elsewhere within the same call.
    row("settle", "429", OK, [1, 1], [0, 1]),
  ])("at $operation: another one serves the call", expectServed);

  test("is not the only one, at verify: 503, nothing charged, and the resend is served", async () =>
    await expectUnavailable("429", await outages.sign()));

  test("is not the only one, at settle: 503, and the resend is served, paid once", async () =>
    await expectUnknown("429", await outages.sign()));
});
