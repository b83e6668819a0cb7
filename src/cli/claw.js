#!/usr/bin/env node
/**
 * The `claw` command. It is plain JavaScript so that any Node can read it: the program itself is TypeScript, which
 * needs a Node that strips types, and the project brings one along for machines that have an older one.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The program needs type stripping, explicit resource management and `node:sqlite`, all of them without flags. */
const NODE_MAJOR_MIN = 24;

const main = fileURLToPath(new URL("main.ts", import.meta.url));

if (!existsSync(main)) {
  console.error("error: this package holds 402claw/client only\n  run claw in a clone of 402claw");
  process.exitCode = 1;
} else if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) {
  await import(pathToFileURL(main).href);
} else {
  runWithBundledNode();
}

function runWithBundledNode() {
  const node = join(dirname(createRequire(main).resolve("node/package.json")), "bin/node");
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`error: cannot run ${node}: ${error.message}\n  run \`npm ci\` first`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
