/** Reads a script from files: its entry module, and every module and asset that it imports by a relative path. */
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { build, stop } from "esbuild";
import { moduleNameSchema, type ScriptBundle, type ScriptModule } from "../contracts/script.ts";
import { CliError } from "./exit-codes.ts";

const TEXT_EXTENSIONS = [".txt", ".md", ".html", ".css", ".csv", ".svg", ".sql", ".graphql"];

const MODULE_TYPES: Readonly<Record<string, ScriptModule["type"]>> = {
  ".js": "esm",
  ".mjs": "esm",
  ".json": "json",
  ...Object.fromEntries(TEXT_EXTENSIONS.map((extension) => [extension, "text" as const])),
};

/**
 * @param directory the project's, below which all modules are
 * @param main path of the entry module from there
 * @throws CliError (usage) when a module is missing, outside the project, or of an unknown kind
 */
export async function readScriptFiles(directory: string, main: string): Promise<ScriptBundle> {
  const names = await importedFiles(directory, main);
  const modules: Record<string, ScriptModule> = {};
  for (const name of names) {
    const type = MODULE_TYPES[extname(name)];
    // A package is imported by its name, which means nothing where the script runs.
    const isPackage = name.includes("node_modules/");
    if (type === undefined || isPackage || !moduleNameSchema.safeParse(name).success) {
      throw new CliError(
        "usage",
        `${main} imports ${name}, which can't be uploaded`,
        isPackage
          ? "bundle packages into the script first, for example with esbuild"
          : `modules are files below claw.json that end in ${Object.keys(MODULE_TYPES).join(", ")}`,
      );
    }
    modules[name] = { type, content: await readFile(join(directory, name), "utf8") };
  }
  return { main, modules };
}

/** What a bundler would put together, as paths from the directory; the bundle itself is thrown away. */
async function importedFiles(directory: string, main: string): Promise<string[]> {
  try {
    const { metafile } = await build({
      absWorkingDir: directory,
      entryPoints: [`./${main}`],
      bundle: true,
      metafile: true,
      write: false,
      format: "esm",
      target: "es2024",
      external: ["cloudflare:*", "node:*"],
      loader: Object.fromEntries(TEXT_EXTENSIONS.map((extension) => [extension, "text"])),
      logLevel: "silent",
    });
    return Object.keys(metafile.inputs);
  } catch (error) {
    throw new CliError("usage", `${main}: ${describeFailure(error)}`);
  } finally {
    await stop();
  }
}

function describeFailure(error: unknown): string {
  const [first] =
    error instanceof Error && "errors" in error && Array.isArray(error.errors) ? error.errors : [];
  if (typeof first?.text !== "string") return String(error);
  const { text, location } = first;
  return typeof location?.file === "string" ? `${text} (${location.file}:${location.line})` : text;
}
