import { describe, expect, it } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import type { CallOutcome } from "../../src/facilitator/health-messages.ts";
import type { HealthSignal, Operation } from "../../src/facilitator/health-signal.ts";
import {
  type HealthState,
  applyBatch,
  applyCheck,
  forceFacilitator,
  grantProbe,
  initialHealth,
} from "../../src/facilitator/health-state.ts";
import { withAlerts, withoutAlerts } from "../../src/facilitator/raise-alerts.ts";

const NETWORK = "eip155:84532";
const PRIMARY = config("primary");
const FALLBACK = config("fallback");
const CONFIGS = [PRIMARY, FALLBACK];

function config(id: string): FacilitatorConfig {
  return {
    id,
    url: `https://${id}.example`,
    auth: { type: "none" },
    timeouts: { verifyMs: 5_000, settleMs: 20_000, supportedMs: 5_000 },
  };
}

/** The state as the object keeps it: every change goes past the alerts. */
class Health {
  nowMs = 1_800_000_000_000;
  state: HealthState = initialHealth(CONFIGS, this.nowMs);
  #sequence = 0;

  change(next: HealthState): void {
    const scope = { region: "weur", facilitators: CONFIGS, networks: [NETWORK] } as const;
    this.state = withAlerts(this.state, next, scope, this.nowMs);
  }

  report(
    facilitatorId: string,
    operation: Operation,
    signals: readonly HealthSignal[],
    probe: { readonly probeId: string | null; readonly epoch: number } | null = null,
  ): void {
    const breaker = this.state.facilitators[facilitatorId]?.breakers[operation];
    const outcomes = signals.map((signal): CallOutcome => ({
      facilitatorId,
      operation,
      signal,
      reason: null,
      epoch: probe?.epoch ?? breaker?.automatic.epoch ?? 0,
      durationMs: 40,
      ageMs: 0,
      probeId: probe?.probeId ?? null,
      retryAfterMs: null,
    }));
    this.#sequence += 1;
    const batch = { instanceId: "edge", sequence: this.#sequence, outcomes };
    this.change(applyBatch(this.state, batch, CONFIGS, { nowMs: this.nowMs, random: 0.5 }));
  }

  /** A health check that reads a list of these schemes. */
  check(facilitator: FacilitatorConfig, schemes: readonly string[]): void {
    const kinds = schemes.map((scheme) => ({
      x402Version: 2 as const,
      scheme,
      network: NETWORK,
      extra: {},
    }));
    const supported = { kinds, extensions: [], signers: {} };
    const check = { signal: "healthy", durationMs: 5, supported } as const;
    this.change(applyCheck(this.state, facilitator, check, { nowMs: this.nowMs, random: 0.5 }));
  }

  /** Half-open by time, and one probe that ends like this. */
  probe(signal: HealthSignal): void {
    this.nowMs += 60_000;
    const granted = grantProbe(this.state, PRIMARY, "settle", "probe", this.nowMs);
    if (granted === null) throw new Error("denied");
    this.change(granted.state);
    this.report("primary", "settle", [signal], { probeId: "probe", epoch: granted.epoch });
  }

  /** Kinds of the alerts since the last question. */
  taken(): string[] {
    const { waiting } = this.state.alerts;
    this.state = withoutAlerts(this.state, waiting);
    return waiting.map(({ kind }) => kind);
  }
}

const THREE_TIMEOUTS = ["timeout", "timeout", "timeout"] as const;

describe("operators hear", () => {
  it("once that a facilitator fails, that its probe failed, and that it recovered", () => {
    const health = new Health();
    health.report("primary", "settle", THREE_TIMEOUTS);
    expect(health.state.alerts.waiting[0]).toMatchObject({
      kind: "facilitator_open",
      detail: "settle at primary fails; calls go elsewhere (region weur)",
      atMs: health.nowMs,
    });
    health.report("primary", "settle", THREE_TIMEOUTS);
    expect(health.taken()).toEqual(["facilitator_open"]);
    health.probe("server");
    expect(health.taken()).toEqual(["facilitator_probe_failed"]);
    health.probe("healthy");
    expect(health.taken()).toEqual(["facilitator_recovered"]);
  });

  it("once that nobody is well for a kind, and again only after somebody was", () => {
    const health = new Health();
    health.report("fallback", "settle", THREE_TIMEOUTS);
    health.report("primary", "settle", THREE_TIMEOUTS);
    expect(health.state.alerts.waiting.at(-1)?.detail).toBe(
      `no facilitator is well for settle of exact on ${NETWORK} (v2) (region weur)`,
    );
    expect(health.taken()).toEqual(["facilitator_open", "facilitator_open", "no_facilitator"]);
    health.probe("server");
    expect(health.taken()).toEqual(["facilitator_probe_failed"]);
    health.probe("healthy");
    health.report("primary", "settle", THREE_TIMEOUTS);
    expect(health.taken()).toEqual(["facilitator_recovered", "facilitator_open", "no_facilitator"]);
  });

  it("that the last one that lists a kind withdrew it", () => {
    const health = new Health();
    for (const each of CONFIGS) health.check(each, []);
    expect(health.taken()).toEqual(["no_facilitator", "no_facilitator"]);
  });

  it("that the only one that lists a kind withdrew it, once, and again when it came and went", () => {
    const health = new Health();
    health.check(FALLBACK, ["exact"]);
    for (let time = 0; time < 2; time += 1) {
      health.check(PRIMARY, ["exact", "upto"]);
      expect(health.taken()).toEqual([]);
      health.check(PRIMARY, ["exact"]);
      expect(health.state.alerts.waiting.map(({ detail }) => detail)).toEqual([
        `no facilitator is well for verify of upto on ${NETWORK} (v2) (region weur)`,
        `no facilitator is well for settle of upto on ${NETWORK} (v2) (region weur)`,
      ]);
      health.taken();
      health.check(PRIMARY, ["exact"]);
      expect(health.taken()).toEqual([]);
    }
  });

  it("once that less than 95 % of at least 20 settlements succeeded", () => {
    const health = new Health();
    const healthy = Array<HealthSignal>(18).fill("healthy");
    health.report("primary", "settle", ["timeout", ...healthy]);
    health.report("primary", "settle", ["healthy"]);
    expect(health.taken()).toEqual([]);
    health.report("primary", "settle", ["timeout"]);
    expect(health.state.alerts.waiting[0]?.detail).toBe(
      "2 of the last 21 settlements at primary failed (region weur)",
    );
    health.report("primary", "settle", ["timeout"]);
    expect(health.taken()).toEqual(["settle_success_low"]);
  });

  it("nothing of what an operator did, except that it left nobody", () => {
    const health = new Health();
    for (const id of ["primary", "fallback"]) {
      const decision = { state: "open", reason: "maintenance" } as const;
      health.change(forceFacilitator(health.state, id, decision, health.nowMs));
    }
    expect(health.taken()).toEqual(["no_facilitator", "no_facilitator"]);
  });
});

describe("alerts", () => {
  it("have rising numbers, also after the state was lost", () => {
    const numbers = [new Health(), new Health()].flatMap((health, life) => {
      health.nowMs += life * 1_000;
      health.report("primary", "settle", THREE_TIMEOUTS);
      health.report("fallback", "settle", THREE_TIMEOUTS);
      return health.state.alerts.waiting.map(({ alert }) => alert);
    });
    expect(numbers).toEqual([...new Set(numbers)].toSorted((left, right) => left - right));
  });

  it("wait in a list that stays short while the directory is away", () => {
    const health = new Health();
    health.report("primary", "settle", THREE_TIMEOUTS);
    for (let count = 0; count < 100; count += 1) {
      health.nowMs += 600_000;
      health.probe("server");
    }
    expect(health.state.alerts.waiting).toHaveLength(64);
  });
});
