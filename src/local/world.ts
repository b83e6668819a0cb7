/**
 * The embedded world: everything a paid call needs, on one machine. A chain, two facilitators and the platform, or,
 * where URLs are given, the chain and the facilitators of someone else.
 */
import type { Hex } from "viem";
import { ConfigError } from "../config-source.ts";
import { facilitatorKeys, payers } from "./accounts.ts";
import { startChain } from "./chain.ts";
import { startFacilitator } from "./facilitator.ts";
import { LOCAL_NETWORK } from "./local-network.ts";
import { startPlatform } from "./platform.ts";
import type { FacilitatorSource, FacilitatorTimeouts, Platform } from "./platform.ts";
import { portIfFree, readPorts, writePorts } from "./ports.ts";
import type { KnownPorts } from "./ports.ts";
import { SCRIPT_HOST_ROLE } from "./script-host.ts";
import { lockState } from "./state-lock.ts";
import type { StateLock } from "./state-lock.ts";

const LOCAL_FACILITATORS = [
  { id: "primary", privateKey: facilitatorKeys[0] },
  { id: "fallback", privateKey: facilitatorKeys[1] },
] as const;

/** A local chain never reorganises; elsewhere a few blocks make it unlikely. */
const CONFIRMATIONS_LOCAL = 0;
const CONFIRMATIONS_REMOTE = 3;

export interface WorldOptions {
  /** Of the platform, on the loopback; 0 takes a free one. */
  readonly port: number;
  readonly stateDir: string;
  /** The one kept in the state directory when left out. */
  readonly operatorToken?: string | undefined;
  /** Used in this order instead of starting two. */
  readonly facilitators: readonly FacilitatorSource[];
  /** Of facilitators that have none of their own, the ones started here included. */
  readonly timeouts?: FacilitatorTimeouts | undefined;
  /** Used instead of starting a chain. */
  readonly rpcUrl: string | null;
  /** CAIP-2. A chain that is started here is always `LOCAL_NETWORK`. */
  readonly network: string;
  /** Blocks on top of a payment before it can be paid out; by the kind of chain when left out. */
  readonly confirmations?: number | undefined;
  /** URLs that alerts are sent to. */
  readonly alertWebhooks?: readonly string[] | undefined;
  /** Further variables and secrets of the Worker. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  /** A line that the Worker, its runtime or the chain logged. */
  readonly onLog: (line: string) => void;
}

export interface WorldFacilitator extends FacilitatorSource {
  /** Where faults are ordered; null for someone else's. */
  readonly controlUrl: string | null;
}

export interface World {
  readonly platform: Platform;
  readonly facilitators: readonly WorldFacilitator[];
  readonly rpcUrl: string;
  /** A test account with money on the chain started here; null on someone else's. */
  readonly payerKey: Hex | null;
  /** Whether a platform that was killed had left its runtime running. */
  readonly endedOrphan: boolean;
  /** Ends the platform, then the facilitators, then the chain, which is saved; then gives the directory free. */
  stop(): Promise<void>;
}

/**
 * Starts the world, or leaves nothing running.
 *
 * @throws StateInUseError, PortInUseError, ConfigError.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  await using started = new AsyncDisposableStack();
  const lock = lockState(options.stateDir);
  started.defer(() => lock.release());
  // Before anything else: until it has ended, that runtime serves and writes what the new one is about to.
  const endedOrphan = await lock.endOrphan("workerd");
  await lock.endOrphan(SCRIPT_HOST_ROLE);
  const ports = readPorts(options.stateDir);
  const rpcUrl = options.rpcUrl ?? (await startLocalChain(options, lock, ports, started));
  const facilitators =
    options.facilitators.length > 0
      ? options.facilitators.map((source) => ({ ...source, controlUrl: null }))
      : await startLocalFacilitators(rpcUrl, options.network, ports, started);
  writePorts(options.stateDir, portsOf(rpcUrl, facilitators, options));
  const platform = await startPlatform({
    port: options.port,
    stateDir: options.stateDir,
    lock,
    operatorToken: options.operatorToken,
    facilitators: facilitators.map((source) => ({ timeouts: options.timeouts, ...source })),
    network: {
      caip2: options.network,
      rpcUrl,
      confirmations: options.confirmations ?? confirmationsOn(rpcUrl),
    },
    alertWebhooks: options.alertWebhooks,
    variables: options.variables,
    onLog: options.onLog,
  });
  started.defer(() => platform.stop());
  const running = started.move();
  return {
    platform,
    facilitators,
    rpcUrl,
    payerKey: options.rpcUrl === null ? payers[0].privateKey : null,
    endedOrphan,
    stop: () => running.disposeAsync(),
  };
}

async function startLocalChain(
  options: WorldOptions,
  lock: StateLock,
  ports: KnownPorts,
  started: AsyncDisposableStack,
): Promise<string> {
  if (options.network !== LOCAL_NETWORK) {
    throw new ConfigError(
      "NETWORKS",
      `the local chain is ${LOCAL_NETWORK}; others need an RPC URL`,
    );
  }
  const chain = await startChain({
    stateDir: options.stateDir,
    port: await portIfFree(ports["chain"]),
    onFailure: options.onLog,
  });
  started.defer(() => chain.stop());
  // Only now: the chain of a killed platform saves itself first, and this one has waited for that. What still runs
  // had lost its keeper too.
  await lock.endOrphan("chain");
  lock.setChild("chain", chain.pid);
  return chain.rpcUrl;
}

async function startLocalFacilitators(
  rpcUrl: string,
  network: string,
  ports: KnownPorts,
  started: AsyncDisposableStack,
): Promise<WorldFacilitator[]> {
  const facilitators: WorldFacilitator[] = [];
  for (const { id, privateKey } of LOCAL_FACILITATORS) {
    const port = await portIfFree(ports[id]);
    const facilitator = await startFacilitator({ id, rpcUrl, network, privateKey, port });
    started.defer(() => facilitator.stop());
    facilitators.push({ id, url: facilitator.url, controlUrl: `${facilitator.url}/control` });
  }
  return facilitators;
}

function portsOf(
  rpcUrl: string,
  facilitators: readonly WorldFacilitator[],
  options: WorldOptions,
): KnownPorts {
  const ports: Record<string, number> = {};
  if (options.rpcUrl === null) ports["chain"] = Number(new URL(rpcUrl).port);
  for (const { id, url, controlUrl } of facilitators) {
    if (controlUrl !== null) ports[id] = Number(new URL(url).port);
  }
  return ports;
}

function confirmationsOn(rpcUrl: string): number {
  return new URL(rpcUrl).hostname === "127.0.0.1" ? CONFIRMATIONS_LOCAL : CONFIRMATIONS_REMOTE;
}
