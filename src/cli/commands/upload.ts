/** `claw upload`: sends the manifest's datasets, or one file, to the platform. */
import { openAsBlob } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { datasetNameSchema } from "../../contracts/manifest.ts";
import type { UploadReport } from "../../contracts/tenant-api.ts";
import { CliError } from "../exit-codes.ts";
import { readManifest, requireManifest } from "../manifest-file.ts";
import { newCommand, parseOptions, platformOptions, repeatable, withPlatform } from "../options.ts";
import { formatFields, formatTable, printResult } from "../output.ts";
import { PlatformApi } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".csv": "text/csv",
  ".json": "application/json",
  ".ndjson": "application/x-ndjson",
  ".jsonl": "application/x-ndjson",
};

const optionsSchema = z.object({
  ...platformOptions,
  name: datasetNameSchema.optional(),
  key: z.string().optional(),
  index: z.array(z.string()).default([]),
  type: z.array(z.string().regex(/^.+=[a-z]+$/, "must look like column=string")).default([]),
});
type UploadOptions = z.output<typeof optionsSchema>;

/** A file to upload and how its columns are to be read. */
interface DatasetFile {
  readonly name: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly indexes: readonly string[];
  readonly types: Readonly<Record<string, string>>;
}

export function uploadCommand(): Command {
  return withPlatform(
    newCommand(
      "upload",
      "upload datasets: those of claw.json, one of them, or a file",
      "claw upload\nclaw upload prices.csv --name prices --key sku --type zip=string",
    ),
  )
    .argument("[dataset]", "a dataset of claw.json, or a .csv, .json or .ndjson file")
    .option("--name <name>", "for a file: the dataset's name (default: the file's)")
    .option("--key <column>", "for a file: column that identifies a row")
    .option("--index <column>", "for a file: column to index (repeatable)", repeatable)
    .option("--type <column=type>", "for a file: a column's type (repeatable)", repeatable)
    .action(async (target: string | undefined, values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const files = await chooseFiles(target, options);
      const url = platformUrl(options.url);
      const choice = { url, tenant: options.tenant, directory: process.cwd() };
      const api = new PlatformApi(url, await resolveApiKey(choice));
      const reports: UploadReport[] = [];
      for (const file of files) reports.push(await uploadFile(api, file));
      printResult(options.json, { datasets: reports }, () =>
        reports.map(formatReport).join("\n\n"),
      );
    });
}

/** Uploads one file. @throws CliError when it cannot be read or the platform refuses it. */
export async function uploadFile(api: PlatformApi, file: DatasetFile): Promise<UploadReport> {
  const contentType = CONTENT_TYPES[extname(file.path).toLowerCase()];
  if (contentType === undefined) {
    throw new CliError(
      "usage",
      `${file.path}: unknown kind of file`,
      `name it ${Object.keys(CONTENT_TYPES).join(", ")}`,
    );
  }
  let body: Blob;
  try {
    body = await openAsBlob(file.path, { type: contentType });
  } catch {
    throw new CliError("usage", `${file.path} cannot be read`);
  }
  return api.uploadDataset(file.name, { ...file, body, contentType });
}

async function chooseFiles(
  target: string | undefined,
  options: UploadOptions,
): Promise<DatasetFile[]> {
  const directory = process.cwd();
  const manifest =
    target === undefined ? await requireManifest(directory) : await readManifest(directory);
  const declared = Object.entries(manifest?.datasets ?? {})
    .filter(([name]) => target === undefined || name === target)
    .map(([name, dataset]) => ({
      ...dataset,
      name,
      key: dataset.key,
      path: join(directory, dataset.file),
    }));
  if (declared.length > 0) return declared;
  if (target === undefined) throw new CliError("usage", "claw.json declares no datasets");
  return [describeFile(target, options)];
}

function describeFile(path: string, options: UploadOptions): DatasetFile {
  const name = options.name ?? basename(path, extname(path)).toLowerCase();
  if (!datasetNameSchema.safeParse(name).success) {
    throw new CliError(
      "usage",
      `${JSON.stringify(name)} is no dataset name`,
      "give one with --name",
    );
  }
  const types = Object.fromEntries(
    options.type.map((pair) => {
      const separator = pair.lastIndexOf("=");
      return [pair.slice(0, separator), pair.slice(separator + 1)];
    }),
  );
  return { name, path: resolve(path), key: options.key, indexes: options.index, types };
}

function formatReport(report: UploadReport): string {
  const head = formatFields([
    ["dataset", report.dataset],
    ["version", report.version],
    ["rows", String(report.rows)],
  ]);
  const columns = formatTable(
    ["column", "type", "empty cells"],
    report.columns.map((column) => [column.name, column.type, column.nullable ? "yes" : "no"]),
  );
  const problems = report.problems.map(
    ({ column, row, message }) =>
      `note: ${[column && `column ${column}`, row && `row ${row}`].filter(Boolean).join(", ")} ${message}`,
  );
  return [head, "", columns, ...problems].join("\n");
}
