/** `claw deployments` and `claw rollback`: what was on sale, and back to it. */
import type { Command } from "commander";
import * as z from "zod";
import type { DeploymentList } from "../../contracts/tenant-api.ts";
import { CliError } from "../exit-codes.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatTable, formatTime, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";
import { formatDeployment } from "./deploy.ts";

const rollbackOptionsSchema = z.object(platformOptions);
const listOptionsSchema = z.object({ ...platformOptions, cursor: z.string().optional() });

export function deploymentsCommand(): Command {
  return withPlatform(
    newCommand("deployments", "list what was put on sale, the newest first", "claw deployments"),
  )
    .option("--cursor <cursor>", "continue a longer list")
    .action(async (values: unknown) => {
      const options = parseOptions(listOptionsSchema, values);
      const { cursor } = options;
      const api = await apiOf(options);
      const list = await api.deployments(
        new URLSearchParams(cursor === undefined ? {} : { cursor }),
      );
      printResult(options.json, list, () => formatDeployments(list));
    });
}

export function rollbackCommand(): Command {
  return withPlatform(
    newCommand(
      "rollback",
      "put an earlier deployment on sale again, with the data and code it had",
      "claw rollback\nclaw rollback dep_0b7d8f1a2c3e4f5061728394a5b6c7d8",
    ),
  )
    .argument("[deploymentId]", "default: what was on sale before")
    .action(async (argument: string | undefined, values: unknown) => {
      const options = parseOptions(rollbackOptionsSchema, values);
      const api = await apiOf(options);
      const deployment = await api.rollBack(argument ?? (await previousOf(api)));
      printResult(options.json, deployment, () => formatDeployment(deployment));
    });
}

/** Named before it is asked for: so a repeated request goes to the same one. */
async function previousOf(api: PlatformApi): Promise<string> {
  const { previousDeploymentId } = await api.deployments(new URLSearchParams({ limit: "1" }));
  if (previousDeploymentId !== null) return previousDeploymentId;
  throw new CliError("usage", "nothing else was on sale before", "see `claw deployments`");
}

async function apiOf(options: z.output<typeof rollbackOptionsSchema>): Promise<PlatformApi> {
  const url = platformUrl(options.url);
  const choice = { url, tenant: options.tenant, directory: process.cwd() };
  return new PlatformApi(url, await resolveApiKey(choice));
}

function formatDeployments({ deployments, nextCursor }: DeploymentList): string {
  if (deployments.length === 0) return "nothing deployed yet";
  const table = formatTable(
    ["version", "on sale", "deployed", "routes", "deployment"],
    deployments.map(({ version, active, createdAtMs, routes, deploymentId }) => [
      String(version),
      active ? "yes" : "",
      formatTime(createdAtMs),
      String(routes.length),
      deploymentId,
    ]),
  );
  return nextCursor === null ? table : `${table}\n\nmore: --cursor ${nextCursor}`;
}
