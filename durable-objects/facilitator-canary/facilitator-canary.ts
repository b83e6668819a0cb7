import { DurableObject } from "cloudflare:workers";
import { publishAlerts } from "../../src/alerts/publish-alerts.ts";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import { configOf } from "../../src/config.ts";
import type { CanaryView } from "../../src/facilitator/canary.ts";
import { DEFAULT_REGION } from "../../src/facilitator/region.ts";
import { PLATFORM } from "../../src/tenant/tenant-id.ts";
import { facilitatorHealthOf } from "../facilitator-health/client.ts";
import { CanaryRuns } from "./canary-runs.ts";

/** After a failure of our own, storage or the shared health: soon enough for a canary. */
const RETRY_MS = 60_000;

/**
 * Pays a little through each facilitator, now and then, from a wallet of its own. One for the whole platform, so that
 * its cap is one; apart from the shared health, which may be lost, while money that was spent must not be forgotten.
 *
 * Without `CANARY` in the configuration it does nothing.
 */
export class FacilitatorCanary extends DurableObject<Env> {
  #runs: CanaryRuns | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { canary, facilitators } = configOf(env);
    if (canary === null) return;
    const { network } = canary;
    void ctx.blockConcurrencyWhile(async () => {
      this.#runs = await CanaryRuns.load({
        canary,
        facilitators,
        storage: ctx.storage,
        health: facilitatorHealthOf(env, DEFAULT_REGION),
        chain: network.rpcUrl === null ? null : evmChainReader(network, network.rpcUrl),
        now: () => Date.now(),
      });
      // From here on its alarm keeps it going, whoever woke it first.
      if ((await ctx.storage.getAlarm()) === null) await ctx.storage.setAlarm(Date.now());
    });
  }

  /** Null when it is off. */
  async view(): Promise<CanaryView | null> {
    return this.#runs?.view ?? null;
  }

  /** The next alarm is armed last, also after a failure, so that none can end the canary. */
  override async alarm(): Promise<void> {
    if (this.#runs === null) return;
    let nextMs = Date.now() + RETRY_MS;
    try {
      nextMs = await this.#runs.runDue();
    } catch (error) {
      console.error("canary failed", error);
    }
    try {
      await this.#runs.alert((alert) =>
        publishAlerts(
          this.env,
          { tenantId: PLATFORM, object: this.ctx.id.toString() },
          [{ ...alert, paymentId: null }],
          Date.now(),
        ),
      );
    } catch (error) {
      console.error("canary alerts wait", error);
    }
    await this.ctx.storage.setAlarm(nextMs);
  }
}
