/** `claw payout`: moves confirmed earnings to the tenant's wallet. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import * as z from "zod";
import type { Payout } from "../../contracts/tenant-api.ts";
import { CliError } from "../exit-codes.ts";
import { formatAmount, parseAmount } from "../money.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatFields, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const POLL_INTERVAL_MS = 250;
/** Longer than the retry schedule needs on a healthy chain; an unknown payout goes on without us. */
const WAIT_DEADLINE_MS = 120_000;

const optionsSchema = z.object({
  ...platformOptions,
  amount: z.string().optional(),
  idempotencyKey: z.string().min(16, "must have at least 16 characters").max(255).optional(),
  wait: z.boolean().default(false),
});

export function payoutCommand(): Command {
  return withPlatform(
    newCommand(
      "payout",
      "pay earnings out to the tenant's wallet, or show a payout",
      "claw payout --wait\nclaw payout --amount 12.50\nclaw payout out_acme_9dQ1",
    ),
  )
    .argument("[payoutId]", "show this payout instead")
    .option("--amount <dollars>", "default: everything available")
    .option("--wait", "until the money has arrived")
    .option("--idempotency-key <key>", "repeat a payout whose answer was lost")
    .action(async (payoutId: string | undefined, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const amountAtomic =
        options.amount === undefined ? undefined : parseAmount("--amount", options.amount);
      const url = platformUrl(options.url);
      const choice = { url, tenant: options.tenant, directory: process.cwd() };
      const api = new PlatformApi(url, await resolveApiKey(choice));
      const payout =
        payoutId === undefined
          ? await requestPayout(api, amountAtomic, options.idempotencyKey ?? randomUUID())
          : await api.payout(payoutId);
      const final = options.wait ? await waitForPayout(api, payout) : payout;
      printResult(options.json, final, () => formatPayout(final));
    });
}

/** Polls until the payout has landed. @throws CliError (payment) when it failed or is not there in time. */
export async function waitForPayout(api: PlatformApi, payout: Payout): Promise<Payout> {
  const deadlineMs = Date.now() + WAIT_DEADLINE_MS;
  for (let current = payout; ; current = await api.payout(payout.payoutId)) {
    if (current.state === "settled" || current.state === "confirmed") return current;
    if (current.state === "failed" || current.state === "expired") {
      throw new CliError(
        "payment",
        `payout ${payout.payoutId} ${current.state}`,
        "the amount is available again: see `claw balance`",
      );
    }
    if (Date.now() >= deadlineMs) {
      throw new CliError(
        "payment",
        `payout ${payout.payoutId} is still ${current.state}`,
        `it goes on by itself: look again with \`claw payout ${payout.payoutId}\``,
      );
    }
    await delay(POLL_INTERVAL_MS);
  }
}

/** A lost answer must not lead to a second payout, so the error says how to ask for the same one again. */
async function requestPayout(
  api: PlatformApi,
  amountAtomic: bigint | undefined,
  idempotencyKey: string,
): Promise<Payout> {
  try {
    return await api.createPayout(amountAtomic, idempotencyKey);
  } catch (error) {
    if (error instanceof CliError && error.reason === "unreachable") {
      throw new CliError(
        error.reason,
        error.message,
        `it may have been accepted; repeat it safely with --idempotency-key ${idempotencyKey}`,
      );
    }
    throw error;
  }
}

function formatPayout(payout: Payout): string {
  return formatFields([
    ["payout", payout.payoutId],
    ["state", payout.state],
    ["amount", formatAmount(payout.amountAtomic)],
    ["to", payout.wallet],
    ["network", payout.network],
    ["transaction", payout.transaction ?? "-"],
    ["settled", formatTime(payout.settledAtMs)],
  ]);
}
