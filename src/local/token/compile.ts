/**
 * Compiles the contracts of this folder: `node src/local/token/compile.ts` writes an artefact of each beside them. They are
 * committed, so that running a local chain needs no compiler; a test compiles again and compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";
import * as z from "zod";

/** By source file, without its ending. */
const CONTRACTS = {
  TestUsdc: ["TestUsdc"],
  Multicall3: ["Multicall3"],
  Permit2: ["Permit2"],
  X402Permit2Proxies: ["X402ExactPermit2Proxy", "X402UptoPermit2Proxy"],
} as const;

/** Nothing that depends on the machine or on comments reaches the bytecode: equal sources give equal artefacts. */
const SETTINGS = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.deployedBytecode.object"] } },
};

const contractSchema = z.object({
  abi: z.array(z.unknown()),
  evm: z.object({ deployedBytecode: z.object({ object: z.string() }) }),
});

const outputSchema = z.object({
  errors: z.array(z.object({ formattedMessage: z.string() })).default([]),
  contracts: z.record(z.string(), z.record(z.string(), contractSchema)).default({}),
});

/**
 * The text of every artefact, by file name.
 *
 * @throws Error with the compiler's messages; warnings count as errors.
 */
export function compileContracts(): ReadonlyMap<string, string> {
  const sources = Object.fromEntries(
    Object.keys(CONTRACTS).map((source) => [
      `${source}.sol`,
      { content: readFileSync(pathOf(`${source}.sol`), "utf8") },
    ]),
  );
  const input = JSON.stringify({ language: "Solidity", sources, settings: SETTINGS });
  const output = outputSchema.parse(JSON.parse(String(solc.compile(input))));
  if (output.errors.length > 0) {
    throw new Error(output.errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
  }
  return new Map(
    Object.entries(CONTRACTS).flatMap(([source, names]) =>
      names.map((name): [file: string, text: string] => {
        const contract = output.contracts[`${source}.sol`]?.[name];
        if (contract === undefined) throw new Error(`${source}.sol has no contract ${name}`);
        const artefact = {
          compiler: String(solc.version()),
          abi: contract.abi,
          runtimeBytecode: `0x${contract.evm.deployedBytecode.object}`,
        };
        return [`${name}.json`, `${JSON.stringify(artefact, null, 2)}\n`];
      }),
    ),
  );
}

/** Absolute path of a file in this folder. */
export function pathOf(file: string): string {
  return join(import.meta.dirname, file);
}

if (import.meta.main) {
  for (const [file, text] of compileContracts()) writeFileSync(pathOf(file), text);
}
