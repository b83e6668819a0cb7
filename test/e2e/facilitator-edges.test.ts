import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { build } from "esbuild";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { FacilitatorView, HealthView } from "../../src/facilitator/health-messages.ts";

/*
 * Two edges (Workers with isolates of their own) that share one FacilitatorHealth, and two facilitators over HTTP,
 * one of which is killed and started again. Everything runs in the real runtime and in real time.
 */
const PAYER = `0x${"11".repeat(20)}`;
const HASH = `0x${"ab".repeat(32)}`;
const NETWORK = "eip155:84532";

const WORKER = `
  import { facilitatorGateway } from "./src/facilitator/gateway.ts";
  import { facilitatorHealthOf } from "./durable-objects/facilitator-health/client.ts";
  export { FacilitatorHealth } from "./durable-objects/facilitator-health/facilitator-health.ts";
  const kind = { x402Version: 2, scheme: "exact", network: "${NETWORK}" };
  const payment = {
    x402Version: 2,
    paymentPayload: { payload: { authorization: { from: "${PAYER}" } } },
    paymentRequirements: {},
  };
  const expected = { network: "${NETWORK}", payer: "${PAYER}", amountAtomic: 1n };
  export default {
    async fetch(request, env, context) {
      if (request.url.endsWith("/health")) return Response.json(await facilitatorHealthOf(env).view());
      const gateway = facilitatorGateway(env, context);
      const verified = await gateway.verify(payment, { kind, signatureProved: true });
      if (verified.outcome.class !== "valid") return Response.json(verified.outcome.class);
      const [facilitatorId] = gateway.candidatesForSettle(kind, null);
      const settled = await gateway.settle(facilitatorId, payment, expected);
      return Response.json(settled.class + " by " + facilitatorId);
    },
  };`;

/** A facilitator that settles everything, on a port it keeps through death and resurrection. */
class LocalFacilitator {
  port = 0;
  verifications = 0;
  isHanging = false;
  #server: Server | null = null;

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      if (request.url === "/verify") this.verifications += 1;
      if (this.isHanging) return;
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(ANSWERS[request.url ?? ""]));
    });
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    this.port = address.port;
    this.#server = server;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}

const ANSWERS: Readonly<Record<string, object>> = {
  "/verify": { isValid: true, payer: PAYER },
  "/settle": { success: true, transaction: HASH, network: NETWORK, payer: PAYER },
  "/supported": { kinds: [{ x402Version: 2, scheme: "exact", network: NETWORK }] },
};

const primary = new LocalFacilitator();
const fallback = new LocalFacilitator();
let runtime: Miniflare;

beforeAll(async () => {
  await Promise.all([primary.start(), fallback.start()]);
  const bundle = await build({
    stdin: { contents: WORKER, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    format: "esm",
    external: ["cloudflare:workers"],
    write: false,
    logLevel: "silent",
  });
  const timeouts = { verifyMs: 1_000, settleMs: 1_000, supportedMs: 1_000 };
  const edge = (name: string, owner: string) => ({
    name,
    routes: [`${name}/*`],
    modules: true as const,
    script: bundle.outputFiles[0]?.text ?? "",
    compatibilityDate: "2026-10-01",
    durableObjects: {
      FACILITATOR_HEALTH: {
        className: "FacilitatorHealth",
        useSQLite: true,
        ...(owner === name ? {} : { scriptName: owner }),
      },
    },
    bindings: {
      ENVIRONMENT: "local",
      BASE_DOMAIN: "localhost",
      OPERATOR_TOKEN: "operator-token-of-the-tests",
      QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
      FACILITATORS: JSON.stringify([
        { id: "primary", url: `http://127.0.0.1:${primary.port}`, timeouts },
        { id: "fallback", url: `http://127.0.0.1:${fallback.port}`, timeouts },
      ]),
      NETWORKS: JSON.stringify([{ caip2: NETWORK }]),
    },
  });
  runtime = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      telemetry: { enabled: false },
      workers: [edge("edge-a", "edge-a"), edge("edge-b", "edge-a")],
    }),
  );
  await runtime.ready;
});

afterAll(async () => {
  await runtime.dispose();
  await Promise.all([primary.kill(), fallback.kill()]);
});

type Edge = "edge-a" | "edge-b";

async function pay(edge: Edge): Promise<unknown> {
  const response = await runtime.dispatchFetch(`http://${edge}/pay`);
  return await response.json();
}

const SERVED_BY_PRIMARY = ["settled by primary", "settled by primary"];

/** Once at each edge. */
function payTwice(): Promise<unknown[]> {
  return Promise.all([pay("edge-a"), pay("edge-b")]);
}

async function primaryView(): Promise<FacilitatorView | undefined> {
  const response = await runtime.dispatchFetch("http://edge-a/health");
  const { facilitators } = await (response.json() as Promise<HealthView>);
  return facilitators.find(({ id }) => id === "primary");
}

/** Time for a breaker that is opened for the first times to be probed. */
const RECOVERY = { timeout: 40_000, interval: 200 };

it("learns what the facilitators serve before anybody needs it", async () => {
  expect(await pay("edge-a")).toBe("settled by primary");
  expect(await pay("edge-b")).toBe("settled by primary");
  await vi.waitFor(async () => expect((await primaryView())?.supported?.kinds).toHaveLength(1), {
    timeout: 5_000,
  });
});

it("carries the very next call of every edge through the fallback when the primary is killed", async () => {
  await primary.kill();
  expect(await pay("edge-a")).toBe("settled by fallback");
  expect(await pay("edge-b")).toBe("settled by fallback");
});

it("gives the primary its traffic back when it is there again", async () => {
  await primary.start();
  await vi.waitFor(async () => expect(await payTwice()).toEqual(SERVED_BY_PRIMARY), RECOVERY);
});

it("spares other edges the wait for a primary that hangs, within two seconds", async () => {
  primary.isHanging = true;
  await vi.waitFor(
    async () => {
      await Promise.all([pay("edge-a"), pay("edge-a"), pay("edge-a")]);
      expect((await primaryView())?.verify.state).toBe("open");
    },
    { timeout: 20_000, interval: 200 },
  );
  await vi.waitFor(
    async () => {
      const startedAtMs = performance.now();
      expect(await pay("edge-b")).toBe("settled by fallback");
      expect(performance.now() - startedAtMs).toBeLessThan(500);
    },
    { timeout: 2_000, interval: 100 },
  );
});

it("probes it by one call at a time, beside the calls, until it answers again", async () => {
  primary.verifications = 0;
  await vi.waitFor(
    async () => {
      const startedAtMs = performance.now();
      await Promise.all([pay("edge-a"), pay("edge-a"), pay("edge-b"), pay("edge-b")]);
      expect(performance.now() - startedAtMs).toBeLessThan(500);
      expect(primary.verifications).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 100 },
  );
  expect(primary.verifications).toBe(1);
  primary.isHanging = false;
  await vi.waitFor(async () => expect(await payTwice()).toEqual(SERVED_BY_PRIMARY), RECOVERY);
});
