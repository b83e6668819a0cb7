/** `claw init`: a manifest and a sample dataset to start from. */
import { access, mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { tenantIdSchema } from "../../tenant/tenant-id.ts";
import { CliError } from "../exit-codes.ts";
import { MANIFEST_FILE } from "../manifest-file.ts";
import { jsonOption, newCommand, parseOptions } from "../options.ts";
import { printResult } from "../output.ts";
import { SAMPLE_ROWS, sampleCitiesCsv } from "../sample-data.ts";

const optionsSchema = z.object({
  ...jsonOption,
  tenant: tenantIdSchema.default(tenantIdSchema.parse("acme")),
  force: z.boolean().default(false),
});

export function initCommand(): Command {
  return newCommand(
    "init",
    "write claw.json and a sample dataset",
    "claw init shop --tenant acme\ncd shop && claw upload && claw deploy",
  )
    .argument("[directory]", "where to write", ".")
    .option("--tenant <id>", "the tenant that sells (default: acme)")
    .option("--force", "overwrite files that exist")
    .action(async (directory: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const written = await writeProject(resolve(directory), options.tenant, options.force);
      printResult(options.json, { tenant: options.tenant, files: written }, () =>
        [
          ...written.map((path) => `wrote ${relative(process.cwd(), path)}`),
          "",
          "next:",
          `  claw tenant create ${options.tenant} --wallet <address>`,
          "  claw upload",
          "  claw deploy",
        ].join("\n"),
      );
    });
}

/**
 * Writes `claw.json` and `cities.csv` and returns their paths.
 *
 * @throws CliError (usage) when one exists, unless `force`.
 */
export async function writeProject(
  directory: string,
  tenant: string,
  force: boolean,
): Promise<string[]> {
  const files = [
    { path: join(directory, MANIFEST_FILE), content: sampleManifest(tenant) },
    { path: join(directory, "cities.csv"), content: sampleCitiesCsv() },
  ];
  if (!force) {
    for (const { path } of files) await refuseExisting(path);
  }
  await mkdir(directory, { recursive: true });
  for (const { path, content } of files) await writeFile(path, content);
  return files.map(({ path }) => path);
}

function sampleManifest(tenant: string): string {
  const manifest = {
    tenant,
    datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
    routes: [
      {
        path: "/cities",
        dataset: "cities",
        price: "$0.01",
        description: `${SAMPLE_ROWS} invented cities: filter, sort and page`,
      },
      { path: "/cities/export", dataset: "cities", mode: "download", price: "$0.05" },
    ],
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) {
    throw new CliError(
      "usage",
      `${path} exists`,
      "choose another directory, or overwrite with --force",
    );
  }
}
