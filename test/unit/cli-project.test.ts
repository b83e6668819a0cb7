/** What `claw init` writes must be what the rest of the product accepts. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeProject } from "../../src/cli/commands/init.ts";
import { CliError } from "../../src/cli/exit-codes.ts";
import { readManifest } from "../../src/cli/manifest-file.ts";
import { readScriptFiles } from "../../src/cli/script-files.ts";
import { SAMPLE_ROWS, sampleCitiesCsv } from "../../src/cli/sample-data.ts";

const options = { tenant: "acme", script: false, force: false };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-project-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test("writes a manifest that the platform's schema accepts", async () => {
  await writeProject(directory, options);
  const manifest = await readManifest(directory);
  expect(manifest?.tenant).toBe("acme");
  expect(manifest?.datasets["cities"]).toMatchObject({ file: "cities.csv", key: "id" });
  expect(manifest?.routes.map((route) => route.path)).toEqual(["/cities", "/cities/export"]);
});

test("writes a sample of at least 1,000 rows with unique keys, numbers, text, dates and gaps", () => {
  const rows: Record<string, string>[] = parse(sampleCitiesCsv(), { columns: true });
  expect(rows).toHaveLength(SAMPLE_ROWS);
  expect(rows.length).toBeGreaterThanOrEqual(1_000);
  expect(new Set(rows.map((row) => row["id"])).size).toBe(rows.length);
  for (const row of rows) {
    expect(row).toMatchObject({
      name: expect.stringMatching(/^[A-Z][a-z]+$/),
      country: expect.stringMatching(/^[A-Z]{2}$/),
      population: expect.stringMatching(/^[1-9][0-9]*$/),
      latitude: expect.stringMatching(/^-?[0-9]{1,2}\.[0-9]{4}$/),
      elevation_m: expect.stringMatching(/^[0-9]*$/),
      coastal: expect.stringMatching(/^(true|false)$/),
      founded: expect.stringMatching(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/),
    });
    expect(new Date(`${row["founded"]}T00:00:00Z`).toISOString()).toContain(String(row["founded"]));
  }
  expect(rows.some((row) => row["elevation_m"] === "")).toBe(true);
});

test("writes the same sample every time", () => {
  expect(sampleCitiesCsv()).toBe(sampleCitiesCsv());
});

test("refuses to overwrite a file, and does with force", async () => {
  await writeFile(join(directory, "claw.json"), "mine");
  await expect(writeProject(directory, options)).rejects.toThrow(CliError);
  expect(await readFile(join(directory, "claw.json"), "utf8")).toBe("mine");
  await writeProject(directory, { ...options, force: true });
  expect((await readManifest(directory))?.tenant).toBe("acme");
});

test("names the file and the place of what is wrong in a manifest", async () => {
  await writeProject(directory, options);
  const path = join(directory, "claw.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  manifest.routes[1].price = "free";
  await writeFile(path, JSON.stringify(manifest));
  await expect(readManifest(directory)).rejects.toThrow(
    /claw\.json: routes\.1\.price must look like/,
  );
});

test("a project with a script sells an answer of its code, whose file is there", async () => {
  const files = await writeProject(directory, { ...options, script: true });
  expect(files.map((path) => basename(path))).toContain("score.js");
  const manifest = await readManifest(directory);
  expect(manifest?.routes.at(-1)).toMatchObject({ script: "score.js", methods: ["POST"] });
  const bundle = await readScriptFiles(directory, "score.js");
  expect(Object.keys(bundle.modules)).toEqual(["score.js"]);
});

describe("the files of a script", () => {
  async function write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), content);
    }
  }

  test("are its entry and all that it imports by a relative path, as they are", async () => {
    const files = {
      "src/score.js": `import { sum } from "../lib/sum.mjs"; import weights from "./weights.json"; import "node:crypto"; export default sum;`,
      "lib/sum.mjs": `export { default as sum } from "./motto.txt";`,
      "lib/motto.txt": "count on it",
      "src/weights.json": "{}",
      "unused.js": "",
    };
    await write(files);
    const { main, modules } = await readScriptFiles(directory, "src/score.js");
    expect(main).toBe("src/score.js");
    expect(modules).toEqual({
      "src/score.js": { type: "esm", content: files["src/score.js"] },
      "lib/sum.mjs": { type: "esm", content: files["lib/sum.mjs"] },
      "lib/motto.txt": { type: "text", content: "count on it" },
      "src/weights.json": { type: "json", content: "{}" },
    });
  });

  test.each([
    ["a missing module", `import "./none.js";`, /none\.js.*score\.js:1/],
    ["a package that is not there", `import "some-package";`, /some-package/],
    ["a file outside the project", `import "../outside.js";`, /outside\.js/],
    ["a syntax error", `export default = 1;`, /score\.js:1/],
  ])("are refused with %s, by name", async (_what, source, expected) => {
    await write({ "project/score.js": source, "outside.js": "" });
    await expect(readScriptFiles(join(directory, "project"), "score.js")).rejects.toThrow(expected);
  });

  test("are refused when a package comes from node_modules", async () => {
    await write({
      "score.js": `import "some-package";`,
      "node_modules/some-package/index.js": "",
    });
    await expect(readScriptFiles(directory, "score.js")).rejects.toThrow("some-package");
  });
});
