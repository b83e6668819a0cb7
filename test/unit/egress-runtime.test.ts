/**
 * What a look at a URL can't decide, on the runtime itself: code behind the egress entrypoint opens no TCP socket, and
 * the network binding connects to no private address, whatever the name was that resolved to it.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { bundleWorker } from "../../src/local/bundle.ts";
import { publicInternet } from "../../src/local/public-internet.ts";

let connections = 0;
const neighbour = createServer((socket) => {
  connections += 1;
  socket.end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
});
const started = new AsyncDisposableStack();
let url: URL;
let port: number;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), "claw-egress-"));
  started.defer(() => rm(directory, { recursive: true, force: true }));
  neighbour.listen(0, "127.0.0.1");
  await once(neighbour, "listening");
  started.defer(() => void neighbour.close());
  port = z.object({ port: z.number() }).parse(neighbour.address()).port;
  const entryPoint = "test/support/egress-runtime.ts";
  const bundle = await bundleWorker({ outDir: directory, entryPoint });
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: () => undefined,
      workers: [
        {
          name: "egress",
          compatibilityDate: "2026-10-01",
          compatibilityFlags: ["nodejs_compat"],
          modulesRoot: directory,
          modules: [{ type: "ESModule", path: bundle }],
          bindings: { BASE_DOMAIN: "402claw.example", PLATFORM_HOSTS: "" },
          workerLoaders: { LOADER: {} },
          serviceBindings: { INTERNET: publicInternet },
        },
      ],
    }),
  );
  started.defer(() => runtime.dispose());
  url = await runtime.ready;
});
afterAll(() => started.disposeAsync());

async function connectTo(target: string, path = "/"): Promise<string> {
  const response = await fetch(new URL(path, url), { method: "POST", body: target });
  return response.text();
}

test("a TCP socket is refused, to a listed host and to a neighbour", async () => {
  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    expect(await connectTo(`${host}:${port}`)).toBe("refused");
  }
  expect(connections).toBe(0);
});

test("fetch is answered by the policy", async () => {
  expect(await connectTo(`https://127.0.0.1:${port}/`)).toBe("answered 403");
  expect(connections).toBe(0);
});

test("a network that is public connects to no private address, by number or by name", async () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    expect(await connectTo(`http://${host}:${port}/`, "/direct")).toBe("refused");
  }
  expect(connections).toBe(0);
});
