/**
 * A facilitator of one's own: the reference implementation over HTTP on the loopback, with real settlements on the
 * given chain, that can be told to fail (`faults.ts`, `facilitator-control.ts`).
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Hex } from "viem";
import { CallLog } from "./call-log.ts";
import { facilitatorApp } from "./facilitator-app.ts";
import { HeldCalls } from "./held-calls.ts";
import { createReferenceFacilitator } from "./reference-facilitator.ts";

const HOST = "127.0.0.1";
/** Longer than any client keeps an idle connection, so that none sends a request into one that is just being closed. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000;

export interface FacilitatorOptions {
  /** As it is to be called in the platform's configuration, for example `primary`. */
  readonly id: string;
  readonly rpcUrl: string;
  /** CAIP-2, for example `eip155:84532`. */
  readonly network: string;
  /** On the loopback; a free one when left out or 0. */
  readonly port?: number;
  /** Of the account that pays the gas. Two facilitators need two. */
  readonly privateKey: Hex;
}

export interface LocalFacilitator {
  readonly id: string;
  readonly url: string;
  /** Stops listening: from now on connections are refused. Faults and counts stay as they are. */
  pause(): Promise<void>;
  /** Listens again, on the same port. */
  resume(): Promise<void>;
  /** Ends at once; calls that are held get no answer. */
  stop(): Promise<void>;
}

/** @throws Error when the port cannot be listened on, or the network is no EVM network. */
export async function startFacilitator(options: FacilitatorOptions): Promise<LocalFacilitator> {
  const log = new CallLog();
  const held = new HeldCalls();
  const reference = createReferenceFacilitator({
    rpcUrl: options.rpcUrl,
    network: options.network,
    privateKey: options.privateKey,
    onBroadcast: () => log.transactionSent(),
  });
  const app = facilitatorApp({ id: options.id, reference, log, held });
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, (request, response) => {
    void answer(request, response);
  });
  const port = await listen(server, options.port ?? 0);
  return {
    id: options.id,
    url: `http://${HOST}:${port}`,
    pause: () => close(server),
    resume: async () => {
      await listen(server, port);
    },
    stop: async () => {
      held.endAll("stopped");
      await close(server);
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, HOST);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was opened");
  return address.port;
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
