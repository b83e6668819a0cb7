/** `402claw/client` as whoever installs the package has it: what `npm pack` packs, below the node_modules of a project. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);

const packedSchema = z.tuple([
  z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }),
]);

export interface ClientProject extends AsyncDisposable {
  readonly directory: string;
  /** Paths in the package. */
  readonly packed: readonly string[];
  /** Runs a program in the project and resolves to what it printed. @throws Error when it ends with another code than 0 */
  run(program: string, env: Readonly<Record<string, string>>): Promise<string>;
}

/** A project that has installed the package, and beside it what the README's example imports. */
export async function createClientProject(): Promise<ClientProject> {
  const directory = await mkdtemp(join(tmpdir(), "claw-client-"));
  const remove = () => rm(directory, { recursive: true, force: true });
  await using created = new AsyncDisposableStack();
  created.defer(remove);
  const modules = join(directory, "node_modules");
  const home = join(modules, "402claw");
  await mkdir(home, { recursive: true });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", directory], {
    cwd: ROOT,
  });
  // The build that runs before it may print, too.
  const [{ filename, files }] = packedSchema.parse(JSON.parse(stdout.slice(stdout.search(/^\[/m))));
  await run("tar", ["-xzf", join(directory, filename), "-C", home, "--strip-components=1"]);
  for (const dependency of ["@x402", "viem"]) {
    await symlink(join(ROOT, "node_modules", dependency), join(modules, dependency));
  }
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  created.move();
  return {
    directory,
    packed: files.map(({ path }) => path),
    async run(program, env) {
      const file = join(directory, "program.js");
      await writeFile(file, program);
      const options = { cwd: directory, env: { ...process.env, ...env } };
      return (await run(process.execPath, [file], options)).stdout;
    },
    [Symbol.asyncDispose]: remove,
  };
}
