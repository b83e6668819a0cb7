/** `claw init`: a manifest with a sample dataset, and a script if wanted, to start from. */
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
  script: z.boolean().default(false),
  force: z.boolean().default(false),
});

export function initCommand(): Command {
  return newCommand("init", "write claw.json and a sample dataset", "claw init shop --tenant acme")
    .argument("[directory]", "where to write", ".")
    .option("--tenant <id>", "the tenant that sells (default: acme)")
    .option("--script", "sell an answer of code too: writes score.js")
    .option("--force", "overwrite files that exist")
    .action(async (directory: string, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const written = await writeProject(resolve(directory), options);
      printResult(options.json, { tenant: options.tenant, files: written }, () =>
        [
          ...written.map((path) => `wrote ${relative(process.cwd(), path)}`),
          "",
          "next:",
          ...(resolve(directory) === process.cwd() ? [] : [`  cd ${directory}`]),
          `  claw tenant create ${options.tenant} --wallet <address>`,
          "  claw upload",
          "  claw deploy",
        ].join("\n"),
      );
    });
}

export interface ProjectOptions {
  readonly tenant: string;
  /** Whether a script is written and sold too. */
  readonly script: boolean;
  readonly force: boolean;
}

/**
 * Writes `claw.json` and `cities.csv`, and `score.js` if asked for, and returns their paths.
 *
 * @throws CliError (usage) when one exists, unless `force`.
 */
export async function writeProject(
  directory: string,
  { tenant, script, force }: ProjectOptions,
): Promise<string[]> {
  const files = [
    { path: join(directory, MANIFEST_FILE), content: sampleManifest(tenant, script) },
    { path: join(directory, "cities.csv"), content: sampleCitiesCsv() },
    ...(script ? [{ path: join(directory, "score.js"), content: SAMPLE_SCRIPT }] : []),
  ];
  if (!force) {
    for (const { path } of files) await refuseExisting(path);
  }
  await mkdir(directory, { recursive: true });
  for (const { path, content } of files) await writeFile(path, content);
  return files.map(({ path }) => path);
}

/** What a handler is: the standard `Request` in, a `Response` out. A status of 2xx is charged, any other is not. */
const SAMPLE_SCRIPT = `export default {
  async fetch(request) {
    const { text } = await request.json().catch(() => ({}));
    if (typeof text !== "string") {
      return Response.json({ error: 'send {"text": "..."}' }, { status: 400 });
    }
    const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
    return Response.json({
      words: words.length,
      variety: words.length === 0 ? 0 : new Set(words).size / words.length,
      payer: request.headers.get("Payment-Payer"),
    });
  },
};
`;

function sampleManifest(tenant: string, script: boolean): string {
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
      ...(script
        ? [
            {
              path: "/score",
              script: "score.js",
              methods: ["POST"],
              price: "$0.01",
              description: "Words of a text, and how many of them are different",
            },
          ]
        : []),
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
