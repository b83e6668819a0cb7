/** Runs anvil, the development node of Ethereum, and calls its JSON-RPC methods. */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import * as z from "zod";

const START_TIMEOUT_MS = 30_000;
/** A method that takes longer belongs to a node that was stopped; saving a day's chain takes two seconds. */
const CALL_TIMEOUT_MS = 15_000;
/** Enough for an error message, however much a failing node writes. */
const STDERR_TAIL_CHARACTERS = 2_000;

const FLAGS = [
  "--host=127.0.0.1",
  "--chain-id=84532",
  // "finalized" is two blocks behind the latest, as soon as they are mined.
  "--slots-in-an-epoch=1",
  // From Prague on every block writes to a system contract, and anvil copies that growing contract for every block: a
  // transaction would take 15 ms longer after two hours.
  "--hardfork=cancun",
  // State to read at older blocks. Without a limit anvil takes 1.5 GB in two hours and writes into the home directory.
  "--prune-history=64",
  // Restoring a saved chain is one large request.
  "--no-request-size-limit",
];

const replySchema = z.union([
  z.object({ result: z.unknown() }).refine((reply) => "result" in reply),
  z.object({ error: z.object({ message: z.string() }) }),
]);

type AnvilProcess = ChildProcessByStdio<null, Readable, Readable>;

export interface Anvil {
  readonly pid: number;
  readonly rpcUrl: string;
  /** Resolves when the process has ended, with how it ended and the last of what it wrote to stderr. */
  readonly ended: Promise<string>;
  /** @throws Error when the node answers with an error or not within `CALL_TIMEOUT_MS`. */
  call(method: string, ...parameters: unknown[]): Promise<unknown>;
  /** Ends it without further ado: it has nothing on disk. */
  kill(): void;
}

/**
 * Starts a node with an empty chain that mines every transaction at once.
 *
 * @param port to listen on, on the loopback only; 0 takes a free one
 * @throws Error with the end of the node's stderr when it does not listen.
 */
export async function startAnvil(port: number): Promise<Anvil> {
  // The binary itself and not the script that wraps it: the script would survive a signal meant for the node.
  const child = spawn(binaryPath(), [...FLAGS, `--port=${port}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = describeEnd(child);
  try {
    const address = await Promise.race([
      listeningAddress(child),
      ended.then((how) => Promise.reject(new Error(how))),
    ]);
    const rpcUrl = `http://${address}`;
    const call = (method: string, ...parameters: unknown[]) =>
      callMethod(rpcUrl, method, parameters);
    await call("anvil_setLoggingEnabled", false);
    child.stdout.resume();
    if (child.pid === undefined) throw new Error("anvil listens and has no process id");
    return { pid: child.pid, rpcUrl, ended, call, kill: () => child.kill("SIGKILL") };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function binaryPath(): string {
  const requireHere = createRequire(import.meta.url);
  const requireFromWrapper = createRequire(requireHere.resolve("@foundry-rs/anvil/package.json"));
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const extension = process.platform === "win32" ? ".exe" : "";
  return requireFromWrapper.resolve(
    `@foundry-rs/anvil-${process.platform}-${architecture}/bin/anvil${extension}`,
  );
}

/** With port 0 only the node knows where it listens, and it says so on stdout. */
function listeningAddress(child: AnvilProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`anvil did not listen within ${START_TIMEOUT_MS} ms`));
    }, START_TIMEOUT_MS);
    let written = "";
    child.stdout.setEncoding("utf8");
    const read = (text: string) => {
      written += text;
      const address = /Listening on (127\.0\.0\.1:\d+)/.exec(written)?.[1];
      if (address === undefined) return;
      child.stdout.off("data", read);
      clearTimeout(timer);
      resolve(address);
    };
    child.stdout.on("data", read);
    child.once("close", () => clearTimeout(timer));
  });
}

function describeEnd(child: AnvilProcess): Promise<string> {
  let tail = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL_CHARACTERS);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(`anvil cannot be run: ${error.message}`));
    child.once("close", (code, signal) => {
      resolve(`anvil ended (${signal ?? `code ${code}`}) ${tail}`.trim());
    });
  });
}

async function callMethod(
  rpcUrl: string,
  method: string,
  parameters: readonly unknown[],
): Promise<unknown> {
  const response = await fetch(rpcUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: parameters }),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  });
  const reply = replySchema.parse(await response.json());
  if ("error" in reply) throw new Error(`anvil refuses ${method}: ${reply.error.message}`);
  return reply.result;
}
