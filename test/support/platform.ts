/**
 * A world for end-to-end tests: chain and facilitators in the test's process, so that they outlive the platform as
 * the real ones do, and the platform as a `claw dev` of its own that can be killed and started again.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import * as z from "zod";
import { PlatformApi } from "../../src/cli/platform-api.ts";
import { sampleCitiesCsv } from "../../src/cli/sample-data.ts";
import { facilitatorKeys } from "../../src/local/accounts.ts";
import { startChain } from "../../src/local/chain.ts";
import type { LocalChain } from "../../src/local/chain.ts";
import { facilitatorControl } from "../../src/local/facilitator-control.ts";
import type { FacilitatorControl } from "../../src/local/facilitator-control.ts";
import { startFacilitator } from "../../src/local/facilitator.ts";
import type { LocalFacilitator } from "../../src/local/facilitator.ts";
import { LOCAL_NETWORK } from "../../src/local/local-network.ts";
import { isGroupAlive, isGroupLeft, killGroup, startDev } from "./dev-process.ts";
import type { DevProcess } from "./dev-process.ts";

export const OPERATOR_TOKEN = "operator-token-of-the-e2e-tests";

const recordSchema = z.object({
  children: z.object({ workerd: z.object({ pid: z.number().int().positive() }) }),
});

export interface TestFacilitator extends LocalFacilitator {
  readonly control: FacilitatorControl;
}

export interface TestTenant {
  readonly tenantId: string;
  readonly apiKey: string;
  readonly payTo: string;
  readonly wallet: string;
  readonly api: PlatformApi;
}

export interface TestRoute {
  readonly path: string;
  readonly price: string;
  readonly mode?: "list" | "download";
}

/** One platform with its chain and facilitators; stop it after the tests. */
export class TestWorld {
  readonly chain: LocalChain;
  /** In the platform's order of preference. */
  readonly facilitators: readonly [TestFacilitator, TestFacilitator];
  readonly stateDir: string;
  readonly #flags: readonly string[];
  #platform: DevProcess;

  private constructor({ chain, facilitators, stateDir, flags }: WorldParts, platform: DevProcess) {
    this.chain = chain;
    this.facilitators = facilitators;
    this.stateDir = stateDir;
    this.#flags = flags;
    this.#platform = platform;
  }

  /**
   * @param flags of `claw dev`, in addition to those that connect it with chain and facilitators
   * @param variablesOf the Worker's variables for a chain at this URL, over what the flags set
   */
  static async start(
    flags: readonly string[] = [],
    variablesOf: ((rpcUrl: string) => Readonly<Record<string, unknown>>) | null = null,
  ): Promise<TestWorld> {
    await using started = new AsyncDisposableStack();
    const stateDir = await mkdtemp(join(tmpdir(), "claw-e2e-"));
    started.defer(() => rm(stateDir, { recursive: true, force: true }));
    const chain = await startChain({ stateDir: null });
    started.defer(() => chain.stop());
    const primary = await startTestFacilitator("primary", 0, chain.rpcUrl);
    started.defer(() => primary.stop());
    const fallback = await startTestFacilitator("fallback", 1, chain.rpcUrl);
    started.defer(() => fallback.stop());
    const variables = join(stateDir, "variables.json");
    if (variablesOf !== null) {
      await writeFile(variables, JSON.stringify(variablesOf(chain.rpcUrl)));
    }
    const allFlags = variablesOf === null ? flags : [...flags, "--vars", variables];
    const parts = { chain, facilitators: [primary, fallback], stateDir, flags: allFlags } as const;
    const platform = await startDev(devFlags(parts, 0));
    started.move();
    return new TestWorld(parts, platform);
  }

  /** Base URL; the same after a restart. */
  get url(): string {
    return this.#platform.url;
  }

  get platform(): DevProcess {
    return this.#platform;
  }

  /** Kills Node and workerd in the same instant, as a machine that loses power would. */
  async kill(): Promise<void> {
    this.#platform.signal("SIGKILL", "group");
    await this.#platform.ended();
  }

  /** Process id of the platform's Workers runtime, from the record in the state directory. */
  async workerdPid(): Promise<number> {
    const text = await readFile(join(this.stateDir, "processes.json"), "utf8");
    return recordSchema.parse(JSON.parse(text)).children.workerd.pid;
  }

  /** Starts the platform again, on the same port and state directory, after `kill`. */
  async restart(): Promise<void> {
    const port = Number(new URL(this.url).port);
    const { chain, facilitators, stateDir } = this;
    const parts = { chain, facilitators, stateDir, flags: this.#flags };
    this.#platform = await startDev(devFlags(parts, port));
  }

  async createTenant(plan?: string): Promise<TestTenant> {
    const tenantId = `t-${randomBytes(6).toString("hex")}`;
    const wallet = privateKeyToAddress(generatePrivateKey());
    const operator = new PlatformApi(this.url, OPERATOR_TOKEN);
    const { apiKey, payTo } = await operator.createTenant({ tenantId, wallet, plan });
    return { tenantId, apiKey, payTo, wallet, api: new PlatformApi(this.url, apiKey) };
  }

  /** Uploads the sample dataset as `cities`, deploys routes on it and returns their URLs in order. */
  async sellCities(
    tenant: TestTenant,
    routes: readonly TestRoute[] = [{ path: "/cities", price: "$0.01" }],
  ): Promise<string[]> {
    await tenant.api.uploadDataset("cities", {
      body: new Blob([sampleCitiesCsv()]),
      contentType: "text/csv",
      key: "id",
      indexes: ["country"],
      types: {},
    });
    await tenant.api.deploy({
      tenant: tenant.tenantId,
      datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
      routes: routes.map((route) => ({ ...route, dataset: "cities" })),
    });
    return routes.map((route) => `${this.url}/t/${tenant.tenantId}${route.path}`);
  }

  /**
   * A request of the operator's.
   * @param target method and path below `/admin`, for example `GET /alerts`
   * @throws Error for an answer that is not 2xx
   */
  async admin<Answer>(schema: z.ZodType<Answer>, target: string, body?: object): Promise<Answer> {
    const [method = "GET", path = ""] = target.split(" ");
    const response = await fetch(`${this.url}/admin${path}`, {
      method,
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${target}: ${response.status} ${await response.text()}`);
    return schema.parse(await response.json());
  }

  /** Stops everything. @throws Error when a process of the platform is left. */
  async stop(): Promise<void> {
    const { pid } = this.#platform;
    if (isGroupAlive(pid)) this.#platform.signal("SIGTERM");
    await this.#platform.ended();
    const isLeft = await isGroupLeft(pid);
    killGroup(pid);
    for (const facilitator of this.facilitators) await facilitator.stop();
    await this.chain.stop();
    await rm(this.stateDir, { recursive: true, force: true });
    if (isLeft) throw new Error(`a process of platform ${pid} outlived it`);
  }
}

async function startTestFacilitator(
  id: string,
  account: 0 | 1,
  rpcUrl: string,
): Promise<TestFacilitator> {
  const privateKey = facilitatorKeys[account];
  const facilitator = await startFacilitator({ id, rpcUrl, network: LOCAL_NETWORK, privateKey });
  return { ...facilitator, control: facilitatorControl(facilitator.url) };
}

interface WorldParts {
  readonly chain: LocalChain;
  readonly facilitators: readonly [TestFacilitator, TestFacilitator];
  readonly stateDir: string;
  readonly flags: readonly string[];
}

function devFlags({ chain, facilitators, stateDir, flags }: WorldParts, port: number): string[] {
  const wiring: [string, string][] = [
    ["--state", stateDir],
    ["--port", String(port)],
    ["--operator-token", OPERATOR_TOKEN],
    ["--rpc", chain.rpcUrl],
    ["--network", LOCAL_NETWORK],
    ...facilitators.map(({ url }): [string, string] => ["--facilitator", url]),
  ];
  return [...wiring.flat(), ...flags];
}
