/** `claw operator token`: makes the token of an operator, and what is configured of it. Sends nothing anywhere. */
import { Command } from "commander";
import * as z from "zod";
import { configIdSchema } from "../../config-source.ts";
import { hashOperatorToken, makeOperatorToken } from "../../tenant/operators.ts";
import { CliError } from "../exit-codes.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { formatFields, printResult } from "../output.ts";

const optionsSchema = z.object(jsonOption);

export function operatorCommand(): Command {
  return new Command("operator")
    .description("name the platform's operators")
    .addCommand(tokenCommand());
}

function tokenCommand(): Command {
  return newCommand(
    "token",
    "make a token for an operator and its entry for OPERATORS",
    "claw operator token ann",
  )
    .argument("<name>", "under which everything the operator does is on record")
    .action(async (argument: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const name = configIdSchema.safeParse(argument);
      if (!name.success) {
        throw new CliError("usage", `the name ${name.error.issues[0]?.message ?? "is invalid"}`);
      }
      const token = makeOperatorToken();
      const operator = { name: name.data, tokenHash: await hashOperatorToken(token) };
      printResult(options.json, { token, operator }, () =>
        formatFields([
          ["token", `${token} (for the operator; shown once, kept nowhere)`],
          ["OPERATORS entry", JSON.stringify(operator)],
        ]),
      );
    });
}
