/** Every `wrangler` command in the documents exists in the wrangler that is installed, with the flags it is given. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { experimental_getWranglerCommands as wranglerCommands } from "wrangler";
import { PROJECT_ROOT } from "../../src/local/bundle.ts";

const { registry, globalFlags } = wranglerCommands();

/** Command lines of the documents' shell blocks. */
function wranglerLines(): string[] {
  const folder = join(PROJECT_ROOT, "docs");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").match(/```sh\n[\s\S]*?```/g) ?? [])
    .flatMap((block) => block.replaceAll("\\\n", " ").match(/^wrangler .*$/gm) ?? []);
}

/** The flags of the command that a line names, without what is common to all; null when there is no such command. */
function flagsOf(line: string): string[] | null {
  let { subtree } = registry;
  for (const word of line.split(" ").slice(1)) {
    const node = subtree.get(word);
    if (node === undefined) return null;
    if (node.definition?.type === "command") return Object.keys(node.definition.args ?? {});
    ({ subtree } = node);
  }
  return null;
}

describe("the documents' wrangler commands", () => {
  const lines = [...new Set(wranglerLines())];

  test("are found", () => {
    expect(lines).toContain("wrangler d1 migrations apply DB --env production --remote");
  });

  test.each(lines)("%s", (line) => {
    const flags = flagsOf(line);
    expect(flags).not.toBeNull();
    const given = [...line.matchAll(/ --([a-z-]+)/g)].flatMap(([, flag]) => flag ?? []);
    const known = new Set([...(flags ?? []), ...Object.keys(globalFlags)]);
    expect(given.filter((flag) => !known.has(flag))).toEqual([]);
  });

  test("name configurations of Workers that nobody reaches directly", () => {
    const named = lines.flatMap((line) => /--config (\S+)/.exec(line)?.[1] ?? []);
    for (const path of new Set(named)) {
      expect(readFileSync(join(PROJECT_ROOT, path), "utf8")).toContain("workers_dev = false");
    }
  });
});
