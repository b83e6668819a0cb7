/** Ports of the local services, kept so that they are found at the same URLs after a restart. */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import * as z from "zod";

const portsSchema = z.record(z.string(), z.number().int().min(1).max(65_535));

/** Service → port, as it was at the last start. */
export type KnownPorts = Readonly<z.infer<typeof portsSchema>>;

/** Ports are a convenience: a file that is missing or damaged is as good as an empty one. */
export function readPorts(stateDir: string): KnownPorts {
  try {
    return portsSchema.parse(JSON.parse(readFileSync(portsPath(stateDir), "utf8")));
  } catch {
    return {};
  }
}

export function writePorts(stateDir: string, ports: KnownPorts): void {
  writeFileSync(portsPath(stateDir), `${JSON.stringify(ports, null, 2)}\n`);
}

/** The port when it can be listened on, otherwise 0, which takes a free one. */
export async function portIfFree(port: number | undefined): Promise<number> {
  if (port === undefined) return 0;
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.once("error", () => resolve(0));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(port)));
  return promise;
}

function portsPath(stateDir: string): string {
  return join(stateDir, "ports.json");
}
