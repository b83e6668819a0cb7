import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Module specifiers it imports, relative ones resolved to a path in the repository. */
  readonly imports: readonly string[];
}

function sourceFiles(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => {
        const path = join(folder, name);
        const text = readFileSync(join(ROOT, path), "utf8");
        const specifiers = [...text.matchAll(/(?:from |import |import\()"([^"]+)"/g)].flatMap(
          ([, specifier]) => specifier ?? [],
        );
        return {
          path,
          text,
          imports: specifiers.map((specifier) =>
            specifier.startsWith(".") ? join(path, "..", specifier) : specifier,
          ),
        };
      }),
  );
}

const product = sourceFiles("src", "durable-objects");

/** Files of a folder with what they import from outside the allowed places. */
function violations(folder: string, isAllowed: (specifier: string) => boolean): string[] {
  return product
    .filter(({ path }) => path.startsWith(folder))
    .flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => !isAllowed(specifier))
        .map((specifier) => `${path}: ${specifier}`),
    );
}

describe("the dependency rule", () => {
  test("the settlement core imports nothing outside itself", () => {
    expect(violations("src/settlement/", (name) => name.startsWith("src/settlement/"))).toEqual([]);
  });

  test("the settlement core has no clock, no randomness and no network", () => {
    const impure = product.filter(
      ({ path, text }) =>
        path.startsWith("src/settlement/") &&
        /\b(?:Date\.|Math\.random|fetch\(|crypto\.)/.test(text),
    );
    expect(impure.map(({ path }) => path)).toEqual([]);
  });

  test("nothing in the product imports a test", () => {
    expect(violations("", (name) => !name.startsWith("test/") && name !== "vitest")).toEqual([]);
  });

  test("dispatcher and command line reach the objects through their typed clients only", () => {
    const reaches = (name: string) =>
      !name.startsWith("durable-objects/") || name.endsWith("/client.ts");
    expect(violations("src/dispatcher/", reaches)).toEqual([]);
    expect(violations("src/cli/", reaches)).toEqual([]);
  });

  test("only FacilitatorHealth's snapshot imports itty-durable", () => {
    const importers = product.filter(({ imports }) => imports.includes("itty-durable"));
    expect(importers.map(({ path }) => path)).toEqual([
      "durable-objects/facilitator-health/snapshot.ts",
    ]);
  });
});

describe("the size of things", () => {
  test("no file of the product is longer than 400 lines", () => {
    const long = product.filter(({ text }) => text.split("\n").length > 401);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test("every file of the product is used by another one or is an entry", () => {
    // The signer is a Worker of its own, the chain's keeper a process of its own.
    const entries = new Set([
      "src/index.ts",
      "src/signer/signer-worker.ts",
      "src/cli/main.ts",
      "src/local/chain-keeper.ts",
    ]);
    const imported = new Set(
      [...product, ...sourceFiles("test")].flatMap(({ imports }) => imports),
    );
    const dead = product.filter(({ path }) => !imported.has(path) && !entries.has(path));
    expect(dead.map(({ path }) => path)).toEqual([]);
  });
});

describe("the documents", () => {
  test("name only files that exist", () => {
    const files = new Set(
      readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter(
        (name) => !name.startsWith("node_modules"),
      ),
    );
    const documents = [
      "README.md",
      "CONTRIBUTING.md",
      ...[...files].filter((name) => /^docs\/.*\.md$/.test(name)),
    ];
    const missing = documents.flatMap((document) => {
      const text = readFileSync(join(ROOT, document), "utf8");
      return [...text.matchAll(/`((?:src|durable-objects|test|docs)\/[\w./-]+\.\w+)`/g)]
        .flatMap(([, path]) => path ?? [])
        .filter((path) => !files.has(path))
        .map((path) => `${document}: ${path}`);
    });
    expect(missing).toEqual([]);
  });
});
