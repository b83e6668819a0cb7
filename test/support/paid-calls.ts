/** Paid calls through the dispatcher in workerd, with a handler and a facilitator whose every step the test decides. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type Hex, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { vi } from "vitest";
import * as z from "zod";
import type { Route, TenantSnapshot } from "../../src/contracts/snapshot.ts";
import { dispatcher } from "../../src/dispatcher/app.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import { publishSnapshot } from "../../src/tenant/snapshots.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";

const NETWORK = "eip155:84532";

const offerSchema = z.object({
  amount: z.string(),
  asset: z.templateLiteral(["0x", z.string()]),
  payTo: z.templateLiteral(["0x", z.string()]),
  extra: z.object({ name: z.string(), version: z.string() }).loose(),
});
const requiredSchema = z.object({ accepts: z.tuple([offerSchema.loose()]) });

const TRANSFER = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
] as const;

export const ANSWER = "what is for sale";

export class PaidCalls {
  /** What happened, in order. */
  readonly log: string[] = [];
  onVerify: () => Promise<unknown> = async () => ({ isValid: true });
  /** What is answered to a settlement; undefined for a success. */
  onSettle: () => Promise<unknown> = async () => undefined;
  onRun: () => Promise<Response> = async () => new Response(ANSWER);
  readonly #tenantId = parseTenantId(`t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`);
  /** What was served: the route, and the URL its handler was given. */
  readonly served: { readonly route: string; readonly url: string }[] = [];
  /** Amounts that were settled, atomic units. */
  readonly settled: string[] = [];
  /** What the Worker is configured with. */
  bindings: Env = env;
  readonly #app = dispatcher((_env, route) => ({
    run: async (request) => {
      this.log.push("handler");
      this.served.push({ route: route.path, url: request.url });
      return await this.onRun();
    },
  }));

  get tenantId(): TenantId {
    if (this.#tenantId === null) throw new Error("the test made a name that is not one");
    return this.#tenantId;
  }

  /** Where the tenant's paths begin. */
  get base(): string {
    return `https://claw.example/t/${this.tenantId}`;
  }

  /**
   * Sells one item per path below `/items`, and a report, and answers for all facilitators.
   * @param terms what is different from a tenant of the free plan
   */
  async open(execution: Route["execution"], terms: Partial<TenantSnapshot> = {}): Promise<void> {
    vi.spyOn(globalThis, "fetch").mockImplementation((input, init) =>
      this.#facilitator(new Request(input).url, JSON.stringify(init?.body ?? "")),
    );
    const snapshot = { ...snapshotOf(this.tenantId, execution), ...terms };
    await publishSnapshot(env, snapshot, Date.now());
  }

  runs(): number {
    return this.log.filter((step) => step === "handler").length;
  }

  /** A payment header for an item. @param signer whose signature it carries, if not the payer's */
  async sign(item: string, payer: Hex, signer: Hex = payer): Promise<string> {
    return await this.signFor(await this.fetch(`${this.base}/items/${item}`), payer, signer);
  }

  /** A payment header for what a 402 asks for. */
  async signFor(unpaid: Response, payer: Hex, signer: Hex = payer): Promise<string> {
    const required = requiredSchema.parse(
      JSON.parse(atob(unpaid.headers.get("PAYMENT-REQUIRED") ?? "")),
    );
    const [accepted] = required.accepts;
    const authorization = {
      from: privateKeyToAccount(payer).address,
      to: accepted.payTo,
      value: BigInt(accepted.amount),
      validAfter: 0n,
      validBefore: BigInt(Math.floor(Date.now() / 1_000) + 300),
      nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
    } as const;
    const signature = await privateKeyToAccount(signer).signTypedData({
      domain: {
        name: accepted.extra.name,
        version: accepted.extra.version,
        chainId: 84532,
        verifyingContract: accepted.asset,
      },
      types: { TransferWithAuthorization: TRANSFER },
      primaryType: "TransferWithAuthorization",
      message: authorization,
    });
    const inText = Object.entries(authorization).map(([name, value]) => [name, String(value)]);
    return encodeHeader({
      x402Version: 2,
      accepted: z.record(z.string(), z.json()).parse(accepted),
      payload: { signature, authorization: Object.fromEntries(inText) },
    });
  }

  /** Sends a payment. */
  async send(item: string, header: string): Promise<Response> {
    return await this.fetch(`${this.base}/items/${item}`, {
      headers: { "PAYMENT-SIGNATURE": header },
    });
  }

  /** Signs and sends a payment of its own. */
  async pay(item: string, payer: Hex, signer: Hex = payer): Promise<Response> {
    return await this.send(item, await this.sign(item, payer, signer));
  }

  /** @param url spelled in any way: the dispatcher gets it as it is, as it would from a socket */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const request = new Request("https://claw.example/", init);
    Object.defineProperty(request, "url", { value: url });
    return await this.#app.fetch(request, this.bindings, createExecutionContext());
  }

  async #facilitator(url: string, body: string): Promise<Response> {
    if (url.endsWith("/verify")) {
      this.log.push("verify");
      const verdict = await this.onVerify();
      this.log.push("verified");
      return Response.json(verdict);
    }
    if (url.endsWith("/settle")) {
      this.log.push("settle");
      const said = await this.onSettle();
      if (said !== undefined) return Response.json(said);
      this.settled.push(
        /maxAmountRequired\W+(\d+)|amount\W+(\d+)/.exec(body)?.slice(1).join("") ?? "",
      );
      const payer = /0x[0-9a-fA-F]{40}/.exec(/from\W+0x[0-9a-fA-F]{40}/.exec(body)?.[0] ?? "")?.[0];
      const transaction = toHex(crypto.getRandomValues(new Uint8Array(32)));
      return Response.json({ success: true, transaction, network: NETWORK, payer });
    }
    throw new Error("connection refused");
  }
}

function snapshotOf(tenantId: TenantId, execution: Route["execution"]): TenantSnapshot {
  return {
    tenantId,
    serial: 1,
    plan: "free",
    collection: "treasury",
    payTo: privateKeyToAccount(generatePrivateKey()).address.toLowerCase(),
    network: NETWORK,
    version: 1,
    deploymentId: "dep_test",
    routes: [
      routeOf("/items/:key", "GET", "10000", execution),
      routeOf("/reports/daily", "POST", "25000", execution),
    ],
    secrets: {},
    limitOverrides: [],
  };
}

export function routeOf(
  path: string,
  method: Route["methods"][number],
  priceAtomic: string,
  execution: Route["execution"],
): Route {
  return {
    path,
    methods: [method],
    priceAtomic,
    description: "An item",
    mimeType: "text/plain",
    settlement: "after",
    execution,
    resignGuard: true,
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    // Never called: the dispatcher of the test brings its own handler.
    handler: {
      kind: "dataset",
      dataset: "items",
      store: "none",
      mode: "item",
      key: "id",
      columns: [],
    },
  };
}
