/** `claw deploy`: uploads the scripts of `claw.json` and puts its routes on sale. */
import type { Command } from "commander";
import * as z from "zod";
import type { Manifest } from "../../contracts/manifest.ts";
import type { ScriptReport } from "../../contracts/script.ts";
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
    const api = new PlatformApi(url, await resolveApiKey(choice));
    const scripts = await uploadScripts(api, manifest);
    const deployment = await api.deploy(manifest);
    printResult(options.json, { ...deployment, scripts }, () =>
      [...scripts.map(formatScript), formatDeployment(deployment)].join("\n"),
    );
  });
}

/** Every script that a route names, once: the platform keeps code by its content, so sending it again is nothing. */
async function uploadScripts(api: PlatformApi, manifest: Manifest): Promise<ScriptReport[]> {
  const entries = new Set(manifest.routes.flatMap(({ script }) => script ?? []));
  if (entries.size === 0) return [];
  // Only now: it comes with a bundler, which no other deployment needs.
  const { readScriptFiles } = await import("../script-files.ts");
  const reports: ScriptReport[] = [];
  for (const entry of entries) {
    reports.push(await api.uploadScript(await readScriptFiles(process.cwd(), entry)));
  }
  return reports;
}

function formatScript({ script, version, modules, bytes }: ScriptReport): string {
  const parts = modules.length === 1 ? "1 module" : `${modules.length} modules`;
  return `script ${script}: ${parts}, ${bytes} bytes, version ${version.slice(0, 12)}`;
}

/** A deployment with what it sells, a route a line. */
export function formatDeployment(deployment: DeploymentResponse): string {
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
