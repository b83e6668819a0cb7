/** `claw refund`: gives a payer back what was paid and not delivered, or was no payment. */
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import * as z from "zod";
import type { Refund } from "../../contracts/refunds.ts";
import { CliError } from "../exit-codes.ts";
import { formatAmount } from "../money.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatFields, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

/** A settlement and its confirmation take seconds; a facilitator's outage may take longer. */
const WAIT_DEADLINE_MS = 120_000;
const POLL_INTERVAL_MS = 500;

const optionsSchema = z.object({ ...platformOptions, wait: z.boolean().default(false) });

export function refundCommand(): Command {
  return withPlatform(
    newCommand(
      "refund",
      "give a payer back what is owed: a payment that was never delivered, or a deposit",
      "claw refund pay_acme_0mwsx76byqrsfg4va8rszcp54axw5 --wait\nclaw refund dep_acme_0mwsx8f0e3d6qpy2nst7h9kvbrw4m",
    ),
  )
    .argument("<id>", "of the payment (pay_…), or of the deposit that is no payment (dep_…)")
    .option("--wait", "until the money has arrived")
    .action(async (sourceId: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const url = platformUrl(options.url);
      const choice = { url, tenant: options.tenant, directory: process.cwd() };
      const api = new PlatformApi(url, await resolveApiKey(choice));
      // Asking again is safe: of one payment or deposit there is one refund.
      const refund = await api.refund(sourceId);
      const final = options.wait ? await waitForRefund(api, refund) : refund;
      printResult(options.json, final, () => formatRefund(final));
    });
}

/** Polls until the refund has landed. @throws CliError (payment) when it failed or is not there in time. */
async function waitForRefund(api: PlatformApi, refund: Refund): Promise<Refund> {
  const deadlineMs = Date.now() + WAIT_DEADLINE_MS;
  for (let current = refund; ; current = await api.readRefund(refund.refundId)) {
    if (current.state === "settled" || current.state === "confirmed") return current;
    if (current.state === "failed" || current.state === "expired") {
      throw new CliError(
        "payment",
        `refund ${refund.refundId} ${current.state}`,
        `the amount is owed again: run \`claw refund ${refund.refundOf}\` once it can't land any more`,
      );
    }
    if (Date.now() >= deadlineMs) {
      throw new CliError(
        "payment",
        `refund ${refund.refundId} is still ${current.state}`,
        `it goes on by itself: look again with \`claw refund ${refund.refundOf}\``,
      );
    }
    await delay(POLL_INTERVAL_MS);
  }
}

function formatRefund(refund: Refund): string {
  return formatFields([
    ["refund", refund.refundId],
    ["of", refund.refundOf],
    ["state", refund.state],
    ["amount", formatAmount(refund.amountAtomic)],
    ["to", refund.payer],
    ["network", refund.network],
    ["transaction", refund.transaction ?? "-"],
    ["settled", formatTime(refund.settledAtMs)],
  ]);
}
