/** `claw deploy`: puts the routes of `claw.json` on sale. */
import type { Command } from "commander";
import * as z from "zod";
import type { DeploymentResponse } from "../../contracts/tenant-api.ts";
import { requireManifest } from "../manifest-file.ts";
import { formatAmount } from "../money.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { formatTable, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object(platformOptions);

export function deployCommand(): Command {
  return withPlatform(
    newCommand("deploy", "put the routes of claw.json on sale", "claw deploy --json"),
  ).action(async (values: unknown) => {
    const options = parseOptions(optionsSchema, values);
    const manifest = await requireManifest(process.cwd());
    const url = platformUrl(options.url);
    const choice = {
      url,
      tenant: options.tenant ?? manifest.tenant,
      directory: process.cwd(),
    };
    const deployment = await new PlatformApi(url, await resolveApiKey(choice)).deploy(manifest);
    printResult(options.json, deployment, () => formatDeployment(deployment));
  });
}

function formatDeployment(deployment: DeploymentResponse): string {
  const routes = deployment.routes.map((route) => [
    route.methods.join(","),
    route.url,
    route.price,
    formatAmount(route.feeAtomic),
    formatAmount(route.netAtomic),
  ]);
  return [
    `deployment ${deployment.deploymentId}, version ${deployment.version}`,
    "",
    formatTable(["method", "url", "price", "fee", "you get"], routes),
  ].join("\n");
}
