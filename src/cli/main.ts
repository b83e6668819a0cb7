#!/usr/bin/env node
/** Entry of the `claw` command under a Node that runs TypeScript; `claw.js` finds one. */
import { Command, CommanderError } from "commander";
import { balanceCommand } from "./commands/balance.ts";
import { callCommand } from "./commands/call.ts";
import { deployCommand } from "./commands/deploy.ts";
import { devCommand } from "./commands/dev.ts";
import { deploymentsCommand, rollbackCommand } from "./commands/deployments.ts";
import { exportCommand } from "./commands/export.ts";
import { goldenCommand } from "./commands/golden.ts";
import { initCommand } from "./commands/init.ts";
import { limitsCommand } from "./commands/limits.ts";
import { operatorCommand } from "./commands/operator.ts";
import { keyCommand } from "./commands/key.ts";
import { payoutCommand } from "./commands/payout.ts";
import { receiptsCommand } from "./commands/receipts.ts";
import { refundCommand } from "./commands/refund.ts";
import { secretCommand } from "./commands/secret.ts";
import { tenantCommand } from "./commands/tenant.ts";
import { uploadCommand } from "./commands/upload.ts";
import { usageCommand } from "./commands/usage.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printError } from "./output.ts";

const EXIT_CODE_HELP = `
Exit codes:
  0  done
  1  unexpected error (CLAW_DEBUG=1 prints where)
  2  wrong flags, arguments or files; nothing was sent
  3  the platform refused the request
  4  a payment, payout or refund failed, or its outcome is not known
  5  the platform does not answer
  6  the state directory or port is in use (claw dev)`;

function buildProgram(): Command {
  const program = new Command("claw")
    .description("Turn a CSV or JSON file into an API that is paid per call with x402.")
    .addHelpText("after", EXIT_CODE_HELP);
  const commands = [
    devCommand(),
    goldenCommand(),
    initCommand(),
    tenantCommand(),
    operatorCommand(),
    uploadCommand(),
    deployCommand(),
    deploymentsCommand(),
    rollbackCommand(),
    keyCommand(),
    exportCommand(),
    secretCommand(),
    limitsCommand(),
    callCommand(),
    receiptsCommand(),
    balanceCommand(),
    usageCommand(),
    payoutCommand(),
    refundCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return program;
}

/** Commander prints what is wrong with the flags; this makes it throw instead of exit, and keep to the exit codes. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride().showHelpAfterError("  add --help for the flags");
  for (const child of command.commands) throwInsteadOfExit(child);
}

async function main(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  throwInsteadOfExit(program);
  try {
    await program.parseAsync(argv);
    return EXIT_CODES.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
    }
    return printError(argv.includes("--json"), error);
  }
}

// A reader that has seen enough (`claw receipts | head`) closes the pipe: that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv);
