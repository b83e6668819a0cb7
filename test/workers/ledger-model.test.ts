/**
 * The store in SQLite against the one in memory that the simulation uses: the same commands through the same ledger
 * give the same results and leave the same state, and a transaction that breaks in the middle leaves no trace in
 * either. Without this, what the simulation shows would say nothing about the object.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import { SqlStore } from "../../durable-objects/settlement-ledger/store/sql-store.ts";
import type { LedgerStore } from "../../durable-objects/settlement-ledger/store/store.ts";
import { ACCOUNTS } from "../../src/settlement/journal.ts";
import { Random } from "../simulation/random.ts";
import {
  CommandSource,
  LOGS,
  NONCES,
  PAYERS,
  REQUESTS,
  identityOf,
} from "../support/ledger-commands.ts";
import { MemoryStore } from "../support/memory-store.ts";

const SEQUENCES = 150;
const COMMANDS = 30;
/** Chance that one of a command's writes throws. */
const BREAK_RATE = 0.2;
/** A command writes a handful of times. */
const BREAK_AT_MAX = 4;
const ALARM_STEP_MS = 250;

const WRITES: ReadonlySet<string> = new Set([
  "insert",
  "update",
  "setWire",
  "setEvidence",
  "removeLapsed",
  "put",
  "remove",
  "extend",
  "append",
]);

class Broken extends Error {
  override readonly name = "Broken";
}

/** A store whose n-th write from now throws, after those before it were done. */
class BreakableStore implements LedgerStore {
  readonly payments: LedgerStore["payments"];
  readonly superseded: LedgerStore["superseded"];
  readonly responses: LedgerStore["responses"];
  readonly journal: LedgerStore["journal"];
  readonly deposits: LedgerStore["deposits"];
  readonly alerts: LedgerStore["alerts"];
  readonly #store: LedgerStore;
  #writesLeft = Infinity;

  constructor(store: LedgerStore) {
    this.#store = store;
    this.payments = this.#breakable(store.payments);
    this.superseded = this.#breakable(store.superseded);
    this.responses = this.#breakable(store.responses);
    this.journal = this.#breakable(store.journal);
    this.deposits = this.#breakable(store.deposits);
    this.alerts = this.#breakable(store.alerts);
  }

  breakAt(write: number): void {
    this.#writesLeft = write;
  }

  transaction: LedgerStore["transaction"] = (run) => this.#store.transaction(run);

  wakeAt(atMs: number): void {
    this.#store.wakeAt(atMs);
  }

  #breakable<Part extends object>(part: Part): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...values: unknown[]): unknown => {
          if (WRITES.has(String(name))) {
            this.#writesLeft -= 1;
            if (this.#writesLeft === 0) throw new Broken();
          }
          return Reflect.apply(member, target, values);
        };
      },
    });
  }
}

/** What can be told apart in writing: big numbers, bytes, and who threw. */
function inWriting(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (part instanceof Uint8Array) return `${part.length} bytes, of ${part[0]} to ${part.at(-1)}`;
    return part;
  });
}

function attempt(run: () => unknown): unknown {
  try {
    return run() ?? null;
  } catch (error) {
    if (error instanceof Broken) return "broken";
    throw error;
  }
}

/** Everything a ledger can ask its store, for the payments there are. */
function stateOf(store: LedgerStore, paymentIds: Iterable<string>, nowMs: number): unknown[] {
  const { payments, superseded, responses, journal } = store;
  return [
    [...paymentIds].map((id) => [
      payments.byId(id),
      payments.wireOf(id),
      attempt(() => responses.get(id)),
    ]),
    NONCES.map((nonce) => [
      payments.byIdentity(identityOf(nonce))?.paymentId,
      superseded.get(identityOf(nonce)),
    ]),
    PAYERS.map((payer) =>
      REQUESTS.map((request) => payments.latestUnanswered(payer, request)?.paymentId),
    ),
    LOGS.flatMap((transaction) =>
      [0, 1].map((logIndex) => payments.paymentProvedBy("eip155:84532", { transaction, logIndex })),
    ),
    payments.due(nowMs, 100),
    payments.due(nowMs, 2),
    payments.nextDueAtMs(),
    responses.expired(nowMs, 100),
    responses.nextExpiryAtMs(),
    ACCOUNTS.map((account) => journal.balance("0xasset", account)),
  ];
}

/** The object's alarm fires at whole steps. */
function alarmStep(atMs: number | null): number | null {
  return atMs === null ? null : Math.ceil(atMs / ALARM_STEP_MS) * ALARM_STEP_MS;
}

async function runSequence(seed: number, storage: DurableObjectStorage): Promise<number> {
  const random = new Random(seed);
  const source = new CommandSource(random);
  const [memory, sql] = [new MemoryStore(), new SqlStore(storage)];
  const sides = [memory, sql].map((store) => {
    const breakable = new BreakableStore(store);
    return { store, breakable, ledger: new Ledger(breakable) };
  });
  const written = (store: LedgerStore, nowMs: number) =>
    inWriting(stateOf(store, source.paymentIds, nowMs));
  const done: string[] = [];
  let broken = 0;
  for (let count = 0; count < COMMANDS; count += 1) {
    const command = source.next();
    const breakAt = random.chance(BREAK_RATE) ? random.between(1, BREAK_AT_MAX) : Infinity;
    done.push(`${command.name}${breakAt === Infinity ? "" : `, broken at write ${breakAt}`}`);
    const before =
      breakAt === Infinity ? [] : sides.map(({ store }) => written(store, command.nowMs));
    const results = sides.map(({ breakable, ledger }) => {
      breakable.breakAt(breakAt);
      const result = attempt(() => command.run(ledger));
      breakable.breakAt(Infinity);
      return result;
    });
    const history = done.join("; ");
    expect(inWriting(results[1]), `seed ${seed}: ${history}`).toBe(inWriting(results[0]));
    source.learn(results[0]);
    const states = sides.map(({ store }) => written(store, command.nowMs));
    expect(states[1], `seed ${seed}: ${history}`).toBe(states[0]);
    expect(
      sql.alerts.list({ beforeAlert: null, limit: 200 }).alerts.length,
      `seed ${seed}: ${history}`,
    ).toBe(memory.alertRows.length);
    expect(await storage.getAlarm(), `seed ${seed}: ${history}`).toBe(alarmStep(memory.alarmAtMs));
    if (results[0] === "broken" && !command.name.startsWith("sweep")) {
      expect(states, `seed ${seed}: ${history}`).toEqual(before);
      broken += 1;
    }
  }
  await storage.deleteAlarm();
  return broken;
}

test(
  "both stores give the same answers and keep the same state, whatever breaks",
  { timeout: 300_000 },
  async () => {
    let broken = 0;
    for (let seed = 1; seed <= SEQUENCES; seed += 1) {
      const ledger = env.SETTLEMENT_LEDGER.getByName(`model-${crypto.randomUUID()}`);
      broken += await runInDurableObject(ledger, (_object, { storage }) =>
        runSequence(seed, storage),
      );
    }
    expect(broken).toBeGreaterThan(SEQUENCES / 10);
  },
);
