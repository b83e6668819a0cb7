/** `claw receipts`: what was paid. */
import type { Command } from "commander";
import * as z from "zod";
import type { Receipt } from "../../contracts/tenant-api.ts";
import { CliError } from "../exit-codes.ts";
import { formatAmount } from "../money.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatFields, formatTable, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object({
  ...platformOptions,
  from: z.string().optional(),
  to: z.string().optional(),
  route: z.string().optional(),
  payer: z.string().optional(),
  state: z.string().optional(),
  cursor: z.string().optional(),
  limit: z.string().optional(),
});

const FILTERS = ["from", "to", "route", "payer", "state", "cursor", "limit"] as const;

export function receiptsCommand(): Command {
  return withPlatform(
    newCommand(
      "receipts",
      "list payments, or show one",
      "claw receipts --route /cities --limit 20\nclaw receipts pay_acme_4kJ2",
    ),
  )
    .argument("[paymentId]", "show this payment")
    .option("--from <time>", "paid at or after, ISO 8601")
    .option("--to <time>", "paid before, ISO 8601")
    .option("--route <path>", "of this route, for example /cities")
    .option("--payer <address>", "by this payer")
    .option("--state <state>", "in this state, for example settled")
    .option("--cursor <cursor>", "continue a longer list")
    .option("--limit <n>", "at most so many")
    .action(async (paymentId: string | undefined, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const query = receiptQuery(options);
      const url = platformUrl(options.url);
      const choice = { url, tenant: options.tenant, directory: process.cwd() };
      const api = new PlatformApi(url, await resolveApiKey(choice));
      if (paymentId !== undefined) {
        const receipt = await api.receipt(paymentId);
        printResult(options.json, receipt, () => formatReceipt(receipt));
        return;
      }
      const list = await api.receipts(query);
      printResult(options.json, list, () => formatReceipts(list.receipts, list.nextCursor));
    });
}

function receiptQuery(options: z.output<typeof optionsSchema>): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    const value = options[name];
    if (value === undefined) continue;
    query.set(name, name === "from" || name === "to" ? isoTime(name, value) : value);
  }
  return query;
}

function isoTime(flag: string, text: string): string {
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs)) {
    throw new CliError(
      "usage",
      `--${flag}: ${JSON.stringify(text)} is no time`,
      "write 2026-11-30 or 2026-11-30T12:00:00Z",
    );
  }
  return new Date(timeMs).toISOString();
}

function formatReceipts(receipts: readonly Receipt[], nextCursor: string | null): string {
  if (receipts.length === 0) return "no payments";
  const table = formatTable(
    ["payment", "settled", "state", "route", "payer", "amount", "fee", "you get"],
    receipts.map((receipt) => [
      receipt.paymentId,
      formatTime(receipt.settledAtMs),
      receipt.state,
      receipt.route,
      receipt.payer,
      formatAmount(receipt.amountAtomic),
      formatAmount(receipt.feeAtomic),
      formatAmount(receipt.netAtomic),
    ]),
  );
  return nextCursor === null ? table : `${table}\n\nmore: --cursor ${nextCursor}`;
}

function formatRefund(refund: Receipt["refund"]): [string, string][] {
  return refund === null ? [] : [["refund", `${refund.state} ${refund.transaction ?? ""}`]];
}

/** One receipt, a field a line. */
function formatReceipt(receipt: Receipt, indent = ""): string {
  return formatFields(
    [
      ["payment", receipt.paymentId],
      ["state", receipt.state],
      ["request", `${receipt.method} ${receipt.url}`],
      ["payer", receipt.payer],
      ["paid to", receipt.payTo],
      ["network", receipt.network],
      ["amount", formatAmount(receipt.amountAtomic)],
      ...(receipt.maximumAtomic === undefined
        ? []
        : [["of at most", formatAmount(receipt.maximumAtomic)] as const]),
      ["fee", formatAmount(receipt.feeAtomic)],
      ["you get", formatAmount(receipt.netAtomic)],
      ["transaction", receipt.transaction ?? "-"],
      ["settled", formatTime(receipt.settledAtMs)],
      ["confirmed", formatTime(receipt.confirmedAtMs)],
      ...formatRefund(receipt.refund),
    ],
    indent,
  );
}
