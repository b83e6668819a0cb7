/** `claw dev`: the embedded platform, until Ctrl-C. */
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { ConfigError } from "../../config-source.ts";
import type { World, WorldOptions } from "../../local/world.ts";
import { CliError } from "../exit-codes.ts";
import { listenForInterruption } from "../interruption.ts";
import { jsonOption, newCommand, parseOptions, repeatable, wholeNumber } from "../options.ts";
import { formatFields } from "../output.ts";
import { readVariables } from "../variables-file.ts";

const optionsSchema = z.object({
  ...jsonOption,
  port: wholeNumber(65_535),
  state: z.string().min(1),
  operatorToken: z.string().min(16, "must have at least 16 characters").optional(),
  facilitator: z
    .array(z.url({ protocol: /^https?$/, error: "must be an http(s) URL" }))
    .default([]),
  verifyTimeout: wholeNumber(30_000).optional(),
  settleTimeout: wholeNumber(120_000).optional(),
  rpc: z.url({ protocol: /^https?$/, error: "must be an http(s) URL" }).optional(),
  network: z.string().regex(/^eip155:[1-9][0-9]{0,9}$/, "must look like eip155:84532"),
  confirmations: wholeNumber(1_000).optional(),
  alertWebhook: z.array(z.string()).default([]),
  vars: z.string().min(1).optional(),
});
type DevOptions = z.output<typeof optionsSchema>;

export function devCommand(): Command {
  return newCommand(
    "dev",
    "run the embedded platform until Ctrl-C",
    "claw dev --port 8402\nclaw dev --rpc http://127.0.0.1:8545 --facilitator http://127.0.0.1:4022",
  )
    .option("--port <n>", "where to serve; 0 takes a free port", "8402")
    .option("--state <dir>", "what is kept between runs", ".claw")
    .option("--operator-token <token>", "default: generated once and kept in the state directory")
    .option(
      "--facilitator <url>",
      "use this one instead of starting two (repeatable, in order of preference)",
      repeatable,
    )
    .option("--verify-timeout <ms>", "how long facilitators may take to verify (default: 5000)")
    .option("--settle-timeout <ms>", "how long they may take to settle (default: 20000)")
    .option("--rpc <url>", "use this chain instead of starting one")
    .option("--network <caip2>", "the chain to sell on", "eip155:84532")
    .option(
      "--confirmations <n>",
      "blocks on top of a payment before it can be paid out (default: 0 on a local chain, else 3)",
    )
    .option(
      "--alert-webhook <url>",
      "send alerts there, signed (repeatable; https, or http on the loopback)",
      repeatable,
    )
    .option(
      "--vars <file>",
      "JSON object of the Worker's variables and secrets, over what the other flags set",
    )
    .action(async (values: unknown) => {
      await runUntilInterrupted(parseOptions(optionsSchema, values));
    });
}

async function runUntilInterrupted(options: DevOptions): Promise<void> {
  const interruption = listenForInterruption();
  const world = await startOrExplain({
    port: options.port,
    stateDir: resolve(options.state),
    operatorToken: options.operatorToken,
    facilitators: options.facilitator.map((url, index) => ({
      id: `facilitator-${index + 1}`,
      url,
    })),
    timeouts: { verifyMs: options.verifyTimeout, settleMs: options.settleTimeout },
    rpcUrl: options.rpc ?? null,
    network: options.network,
    confirmations: options.confirmations,
    alertWebhooks: options.alertWebhook,
    variables: options.vars === undefined ? undefined : await readVariables(options.vars),
    onLog: (line) => process.stderr.write(`${line}\n`),
  });
  try {
    announce(world, options);
    await interruption.received;
  } finally {
    await world.stop();
    interruption.stopListening();
  }
}

/** Loads what runs the platform only now: no other command needs it, and it is by far the largest part. */
async function startOrExplain(options: WorldOptions): Promise<World> {
  const [{ startWorld }, { StateInUseError }, { PortInUseError }] = await Promise.all([
    import("../../local/world.ts"),
    import("../../local/state-lock.ts"),
    import("../../local/platform.ts"),
  ]);
  try {
    return await startWorld(options);
  } catch (error) {
    if (error instanceof StateInUseError) {
      const stop =
        error.ownerPid === null ? "stop that platform" : `stop it (kill ${error.ownerPid})`;
      throw new CliError(
        "inUse",
        error.message,
        `${stop}, or choose another directory with --state`,
      );
    }
    if (error instanceof PortInUseError) {
      throw new CliError("inUse", error.message, "choose another with --port");
    }
    if (error instanceof ConfigError) throw new CliError("usage", error.message);
    throw error;
  }
}

function announce(world: World, options: DevOptions): void {
  const { platform } = world;
  if (options.json) {
    const { url, operatorToken, alertWebhookSecret } = platform;
    const facilitators = world.facilitators.map((facilitator) => facilitator.url);
    const ready = {
      ready: url,
      operatorToken,
      facilitators,
      rpcUrl: world.rpcUrl,
      alertWebhookSecret,
    };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    return;
  }
  const lines: [string, string][] = [
    ["state", relative(process.cwd(), resolve(options.state)) || "."],
    ...world.facilitators.map(({ id, url, controlUrl }): [string, string] => [
      `facilitator ${id}`,
      controlUrl === null ? url : `${url} (faults: ${controlUrl})`,
    ]),
    ["chain", `${world.rpcUrl} (${options.network})`],
  ];
  if (world.payerKey !== null) lines.push(["test payer", `${world.payerKey} (claw call uses it)`]);
  if (options.operatorToken === undefined) lines.push(["operator token", platform.operatorToken]);
  for (const url of options.alertWebhook) lines.push(["alerts to", url]);
  if (options.alertWebhook.length > 0) {
    lines.push(["alert webhook secret", platform.alertWebhookSecret]);
  }
  if (world.endedOrphan) lines.push(["cleaned up", "the runtime of a platform that was killed"]);
  process.stdout.write(`${formatFields(lines)}\nready ${platform.url}\n`);
}
