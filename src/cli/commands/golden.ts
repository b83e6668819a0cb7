/** `claw golden`: the whole product once, from a CSV file to money in the creator's wallet, checked at every step. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { CliError } from "../exit-codes.ts";
import { GoldenReport } from "../golden/report.ts";
import { listenForInterruption } from "../interruption.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";

const optionsSchema = z.object(jsonOption);

export function goldenCommand(): Command {
  return newCommand(
    "golden",
    "run the golden flow on a platform of its own: upload, deploy, pay, pay out",
    "claw golden",
  ).action(async (values: unknown) => {
    const { json } = parseOptions(optionsSchema, values);
    await runGolden(new GoldenReport(json));
  });
}

/** Runs the flow in a temporary directory; whether it passes, fails or is interrupted, nothing of it is left. */
async function runGolden(report: GoldenReport): Promise<void> {
  const interruption = listenForInterruption();
  const stateDir = await mkdtemp(join(tmpdir(), "claw-golden-"));
  try {
    const [{ startWorld }, { runGoldenFlow }] = await Promise.all([
      import("../../local/world.ts"),
      import("../golden/flow.ts"),
    ]);
    const starting = startWorld({
      port: 0,
      stateDir: join(stateDir, "state"),
      facilitators: [],
      rpcUrl: null,
      network: "eip155:84532",
      onLog: (line) => process.stderr.write(`${line}\n`),
    });
    try {
      const flow = starting.then((world) => runGoldenFlow(world, stateDir, report));
      const interrupted = interruption.received.then((signal) => {
        throw new CliError("unexpected", `interrupted by ${signal}`);
      });
      await Promise.race([flow, interrupted]);
    } finally {
      const world = await starting.catch(() => null);
      await world?.stop();
    }
  } finally {
    await rm(stateDir, { recursive: true, force: true });
    interruption.stopListening();
  }
  report.passed();
}
