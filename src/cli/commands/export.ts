/** `claw export`: everything the platform keeps of a tenant, into a directory of one's own. */
import { createWriteStream } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import * as z from "zod";
import { exportDatasetSchema } from "../../contracts/export.ts";
import { CliError } from "../exit-codes.ts";
import { newCommand, parseOptions, platformOptions, withPlatform } from "../options.ts";
import { printResult } from "../output.ts";
import { PlatformApi, parseJsonOrNull } from "../platform-api.ts";
import { platformUrl, resolveApiKey } from "../profile.ts";

const optionsSchema = z.object({ ...platformOptions, output: z.string() });

const lineSchema = z.object({ type: z.string() });

export function exportCommand(): Command {
  return withPlatform(
    newCommand(
      "export",
      "write all that is kept of the tenant: export.ndjson and its datasets' rows",
      "claw export --output backup",
    ),
  )
    .requiredOption("--output <dir>", "directory to write to; it is made when it is not there")
    .action(async (values: unknown) => {
      const options = parseOptions(optionsSchema, values);
      const url = platformUrl(options.url);
      const choice = { url, tenant: options.tenant, directory: process.cwd() };
      const api = new PlatformApi(url, await resolveApiKey(choice));
      await mkdir(options.output, { recursive: true });
      const path = join(options.output, "export.ndjson");
      await save(await api.exported("/v1/export"), path);
      const { lines, rowsUrls } = await checkWhole(path);
      for (const [name, rowsUrl] of rowsUrls) {
        await save(await api.exported(rowsUrl), join(options.output, `${name}.ndjson`));
      }
      const result = { path, lines, datasets: rowsUrls.size };
      printResult(
        options.json,
        result,
        () => `${path}: ${lines} lines, and the rows of ${rowsUrls.size} dataset versions`,
      );
    });
}

async function save(body: ReadableStream<Uint8Array>, path: string): Promise<void> {
  await pipeline(body, createWriteStream(path));
}

/** Reads it line by line: it may be large. @throws CliError when the last line is missing */
async function checkWhole(
  path: string,
): Promise<{ readonly lines: number; readonly rowsUrls: ReadonlyMap<string, string> }> {
  await using file = await open(path);
  const rowsUrls = new Map<string, string>();
  let lines = 0;
  let isWhole = false;
  for await (const line of createInterface({ input: file.createReadStream() })) {
    const document = parseJsonOrNull(line);
    const { type } = lineSchema.parse(document);
    lines += 1;
    isWhole = type === "end";
    if (type !== "dataset") continue;
    const { name, version, rowsUrl } = exportDatasetSchema.parse(document);
    rowsUrls.set(`${name}-${version}`, rowsUrl);
  }
  if (isWhole) return { lines, rowsUrls };
  throw new CliError("unreachable", `${path} broke off after ${lines} lines`, "export it again");
}
