/** What `claw init` writes must be what the rest of the product accepts. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeProject } from "../../src/cli/commands/init.ts";
import { CliError } from "../../src/cli/exit-codes.ts";
import { readManifest } from "../../src/cli/manifest-file.ts";
import { SAMPLE_ROWS, sampleCitiesCsv } from "../../src/cli/sample-data.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-project-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test("writes a manifest that the platform's schema accepts", async () => {
  await writeProject(directory, "acme", false);
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
  await expect(writeProject(directory, "acme", false)).rejects.toThrow(CliError);
  expect(await readFile(join(directory, "claw.json"), "utf8")).toBe("mine");
  await writeProject(directory, "acme", true);
  expect((await readManifest(directory))?.tenant).toBe("acme");
});

test("names the file and the place of what is wrong in a manifest", async () => {
  await writeProject(directory, "acme", false);
  const path = join(directory, "claw.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  manifest.routes[1].price = "free";
  await writeFile(path, JSON.stringify(manifest));
  await expect(readManifest(directory)).rejects.toThrow(
    /claw\.json: routes\.1\.price must look like/,
  );
});
