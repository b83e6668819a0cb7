/** `claw balance`: what was earned, kept as fees, paid out and can be paid out. */
import type { Command } from "commander";
import * as z from "zod";
import type { Balance } from "../../contracts/tenant-api.ts";
import { formatAmount } from "../money.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatFields, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object(platformOptions);

export function balanceCommand(): Command {
  return withPlatform(
    newCommand("balance", "show what was earned and can be paid out", "claw balance --tenant acme"),
  ).action(async (values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const url = platformUrl(options.url);
    const choice = { url, tenant: options.tenant, directory: process.cwd() };
    const balance = await new PlatformApi(url, await resolveApiKey(choice)).balance();
    printResult(options.json, balance, () => formatBalance(balance));
  });
}

/** The balance, an amount a line. */
function formatBalance(balance: Balance, indent = ""): string {
  return formatFields(
    [
      ["settled", formatAmount(balance.settledAtomic)],
      ["fees", formatAmount(balance.feesAtomic)],
      ["payable", formatAmount(balance.payableAtomic)],
      ["available", `${formatAmount(balance.availableAtomic)} (confirmed on the chain)`],
      ["in flight", formatAmount(balance.inFlightAtomic)],
      ["credits", `${formatAmount(balance.creditsAtomic)} (to be refunded to payers)`],
      ["paid out", formatAmount(balance.paidOutAtomic)],
      ["refunded", formatAmount(balance.refundedAtomic)],
      ["unclaimed", `${formatAmount(balance.unclaimedAtomic)} (sent without being a payment)`],
    ],
    indent,
  );
}
