/** `claw call`: buys one answer with the official x402 client. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import * as z from "zod";
import { isUncharged } from "../../client/payment-status.ts";
import { CliError } from "../exit-codes.ts";
import { formatAmount, parseAmount } from "../money.ts";
import { jsonOption, newCommand, parseOptions, repeatable, wholeNumber } from "../options.ts";
import { formatFields, printResult } from "../output.ts";
import type { PaidCall, PaidRequest } from "../paying-client.ts";
import { describeProblem, parseJsonOrNull, unreachable } from "../platform-api.ts";
import { isLoopback, platformUrl } from "../profile.ts";

const privateKeySchema = z.templateLiteral(["0x", z.string().regex(/^[0-9a-fA-F]{64}$/)]);
type PrivateKey = z.infer<typeof privateKeySchema>;

const NEWLINE = 0x0a;

const optionsSchema = z.object({
  ...jsonOption,
  url: z.url({ protocol: /^https?$/, error: "must be an http(s) URL" }).optional(),
  method: z
    .string()
    .regex(/^[A-Za-z]+$/, "must be an HTTP method")
    .optional(),
  header: z.array(z.string().regex(/^[^:]+:/, "must look like Name: value")).default([]),
  data: z.string().optional(),
  maxPrice: z.string(),
  payerKeyFile: z.string().optional(),
  wait: wholeNumber(600),
});
type CallOptions = z.output<typeof optionsSchema>;

export function callCommand(): Command {
  return newCommand(
    "call",
    "call a paid URL and pay for it; the answer goes to stdout",
    'claw call "/t/acme/cities?country=eq.JP&limit=5"\nclaw call https://api.example.com/t/acme/cities --max-price 0.02',
  )
    .argument("<url>", "a URL, or a path on the platform")
    .option("-X, --method <method>", "default: GET, or POST with --data")
    .option("-H, --header <header>", "a request header (repeatable)", repeatable)
    .option("-d, --data <body>", "a request body")
    .option("--max-price <dollars>", "pay at most this much", "0.10")
    .option("--payer-key-file <file>", "private key of the payer (default: CLAW_PAYER_KEY)")
    .option("--wait <seconds>", "resend the same payment while its outcome is open", "30")
    .option("--url <url>", "the platform (default: CLAW_URL, or http://127.0.0.1:8402)")
    .addHelpText("after", "\nOn a local platform a funded test account pays when no key is given.")
    .action(async (target: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const request = describeRequest(target, options);
      const call = await pay(request, options);
      await printCall(call, options.json);
    });
}

function describeRequest(target: string, options: CallOptions): PaidRequest {
  const url = target.startsWith("/") ? `${platformUrl(options.url)}${target}` : target;
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    throw new CliError("usage", `${JSON.stringify(target)} is neither a URL nor a path`);
  }
  const method = options.method ?? (options.data === undefined ? "GET" : "POST");
  const headers = Object.fromEntries(
    options.header.map((header) => {
      const separator = header.indexOf(":");
      return [header.slice(0, separator).trim(), header.slice(separator + 1).trim()];
    }),
  );
  return { url, method: method.toUpperCase(), headers, body: options.data ?? null };
}

async function pay(request: PaidRequest, options: CallOptions): Promise<PaidCall> {
  const maxPriceAtomic = parseAmount("--max-price", options.maxPrice);
  const privateKey = await resolvePayerKey(request.url, options.payerKeyFile);
  // Signing brings in most of this program's weight, and no other command needs it.
  const { NotPaidError, callAndPay, createPaymentClient } = await import("../paying-client.ts");
  const client = createPaymentClient(privateKey, formatAmount(maxPriceAtomic));
  try {
    return await callAndPay(client, request, options.wait * 1000);
  } catch (error) {
    if (!(error instanceof NotPaidError)) throw unreachable(request.url, error);
    const offer = error.quote.accepts[0];
    if (offer !== undefined && BigInt(offer.amount) > maxPriceAtomic) {
      throw new CliError(
        "payment",
        `the call costs ${formatAmount(offer.amount)}, more than --max-price ${formatAmount(maxPriceAtomic)}`,
        "nothing was paid; raise --max-price to go on",
      );
    }
    throw new CliError("payment", error.message, "nothing was paid");
  }
}

async function resolvePayerKey(url: string, file: string | undefined): Promise<PrivateKey> {
  const text = file === undefined ? process.env["CLAW_PAYER_KEY"] : await readKeyFile(file);
  if (text === undefined || text === "") {
    if (isLoopback(url)) return (await import("../../local/accounts.ts")).payers[0].privateKey;
    throw new CliError(
      "usage",
      "no private key to pay with",
      "give --payer-key-file, or set CLAW_PAYER_KEY to 0x and 64 hexadecimal digits",
    );
  }
  const parsed = privateKeySchema.safeParse(text.trim());
  if (parsed.success) return parsed.data;
  const source = file ?? "CLAW_PAYER_KEY";
  throw new CliError(
    "usage",
    `${source} holds no private key`,
    "it must be 0x and 64 hexadecimal digits",
  );
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    throw new CliError("usage", `${file} cannot be read`);
  }
}

/** Prints the answer to stdout and what it cost to stderr. @throws CliError when the answer is not a success. */
async function printCall(call: PaidCall, json: boolean): Promise<void> {
  const { response, settlement } = call;
  const body = Buffer.from(await response.arrayBuffer());
  if (json) {
    const { status } = response;
    printResult(true, { status, payment: settlement, body: body.toString() }, () => "");
  } else {
    process.stderr.write(`${describePayment(call)}\n`);
    process.stdout.write(body);
    // What is piped on is the answer to the byte; on a terminal the prompt follows on a line of its own.
    if (process.stdout.isTTY && body.at(-1) !== NEWLINE) process.stdout.write("\n");
  }
  if (!response.ok) throw failure(call, body.toString());
}

function describePayment({ response, signedAtomic, settlement }: PaidCall): string {
  const status: [string, string] = ["status", `${response.status} ${response.statusText}`.trim()];
  if (settlement === null) return formatFields([status]);
  const isPaid = settlement.success && !isUncharged(response);
  // Less than was signed where the price is a maximum; servers that sell at fixed prices may leave it out.
  const paidAtomic = isPaid ? (settlement.amount ?? signedAtomic ?? "") : "0";
  return formatFields([
    status,
    ["paid", /^[0-9]+$/.test(paidAtomic) ? formatAmount(paidAtomic) : "-"],
    ["payer", settlement.payer ?? "-"],
    ["network", settlement.network],
    ["transaction", settlement.transaction || "-"],
    ["replayed", response.headers.get("Idempotent-Replayed") ?? "false"],
  ]);
}

function failure({ response, paymentHeader }: PaidCall, body: string): CliError {
  const { status } = response;
  const message = describeProblem(parseJsonOrNull(body)) ?? `answered ${status}`;
  if (status === 402 && paymentHeader !== null) {
    return new CliError("payment", message, "the payment was not accepted; nothing was charged");
  }
  const notCharged = response.headers.get("Payment-Status") === "not-charged";
  if (paymentHeader === null || notCharged) {
    return new CliError(status >= 500 ? "unreachable" : "refused", message, "nothing was paid");
  }
  return new CliError(
    "payment",
    message,
    "the payment may have been made: look at its status before paying again",
  );
}
