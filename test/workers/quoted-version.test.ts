/** A quote is honoured by the version it was handed out under, whatever is on sale by now. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { configOf } from "../../src/config.ts";
import type { TenantSnapshot } from "../../src/contracts/snapshot.ts";
import { saleFor } from "../../src/dispatcher/quoted-version.ts";
import { signQuote } from "../../src/payment/quote-token.ts";
import { readActiveSnapshot } from "../../src/tenant/directory/deployments.ts";
import {
  call,
  createTenant,
  deploy,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";

const config = configOf(env);
const NOW_MS = Date.now();
const CITIES = ["cities"];
const VALID_UNTIL_SECONDS = Math.floor(NOW_MS / 1_000) + 300;

async function seller(): Promise<TestTenant> {
  const tenant = await createTenant();
  await uploadCities(tenant);
  return tenant;
}

async function onSale({ tenantId }: TestTenant): Promise<TenantSnapshot> {
  const snapshot = await readActiveSnapshot(env.DB, tenantId);
  if (snapshot === null) throw new Error("the tenant was just made");
  return snapshot;
}

/** A payment that carries a quote of this snapshot. */
function quotedUnder(
  { tenantId, version, payTo }: TenantSnapshot,
  expiresAtSeconds = VALID_UNTIL_SECONDS,
  secret = config.quoteSecret,
) {
  const [network] = config.networks;
  if (network === undefined) throw new Error("the tests configure a network");
  const terms = {
    scheme: "exact",
    network: network.caip2,
    asset: network.asset.address,
    payTo,
  };
  const quote = signQuote(
    {
      ...terms,
      tenantId,
      route: "/cities",
      transferMethod: null,
      amountAtomic: "1000",
      version,
      expiresAtSeconds,
      facilitator: null,
    },
    new Uint8Array(16),
    secret,
  );
  return {
    accepted: { ...terms, amount: "1000", quote, paymentFlow: "authorization" },
    value: 1_000n,
  };
}

/** What a v1 payment says: nothing but the amount. */
const inV1 = (value: bigint) => ({ accepted: null, value });

test("the version that was quoted serves the payment, until its quote expires", async () => {
  const tenant = await seller();
  await deploy(tenant, "$0.001");
  const first = await onSale(tenant);
  await deploy(tenant, "$0.5");
  const second = await onSale(tenant);
  const payment = quotedUnder(first);
  expect(await saleFor(env, config, second, payment, CITIES, NOW_MS)).toEqual({
    snapshot: first,
    offeredUntilSeconds: VALID_UNTIL_SECONDS,
  });
  expect(await saleFor(env, config, second, payment, CITIES, VALID_UNTIL_SECONDS * 1_000)).toEqual({
    snapshot: second,
    offeredUntilSeconds: null,
  });
});

test("an edge that has not heard of the new version serves its quotes all the same", async () => {
  const tenant = await seller();
  await deploy(tenant, "$0.001");
  const behind = await onSale(tenant);
  await deploy(tenant, "$0.5");
  const ahead = await onSale(tenant);
  const sale = await saleFor(env, config, behind, quotedUnder(ahead), CITIES, NOW_MS);
  expect(sale.snapshot).toMatchObject({ version: ahead.version, routes: ahead.routes });
});

test("what a quote of an earlier version needs is there, secrets too", async () => {
  const tenant = await seller();
  await call("PUT /v1/secrets/WEATHER_KEY", {
    credential: tenant.apiKey,
    body: { value: "Bearer of-the-weather" },
  });
  await call("POST /v1/deployments", {
    credential: tenant.apiKey,
    body: {
      tenant: tenant.tenantId,
      routes: [
        {
          path: "/weather",
          price: "$0.001",
          origin: "https://api.example.com/weather",
          originAuth: { header: "Authorization", secret: "WEATHER_KEY" },
        },
      ],
    },
  });
  const first = await onSale(tenant);
  expect(Object.keys(first.secrets)).toEqual(["WEATHER_KEY"]);
  await deploy(tenant);
  const { snapshot } = await saleFor(
    env,
    config,
    await onSale(tenant),
    quotedUnder(first),
    CITIES,
    NOW_MS,
  );
  expect(snapshot.routes.map(({ path }) => path)).toEqual(["/weather"]);
  expect(Object.keys(snapshot.secrets)).toEqual(["WEATHER_KEY"]);
});

test("no quote, one we did not sign and another tenant's are served by what is on sale", async () => {
  const [tenant, other] = [await seller(), await seller()];
  await deploy(tenant, "$0.001");
  const first = await onSale(tenant);
  await deploy(tenant, "$0.5");
  await deploy(other);
  const snapshot = await onSale(tenant);
  const payments = [
    inV1(500_000n),
    quotedUnder(first, VALID_UNTIL_SECONDS, "another-secret-0123456789-0123456789"),
    quotedUnder({ ...(await onSale(other)), version: 7 }),
    quotedUnder({ ...first, version: 7 }),
  ];
  for (const payment of payments) {
    expect(await saleFor(env, config, snapshot, payment, CITIES, NOW_MS)).toEqual({
      snapshot,
      offeredUntilSeconds: null,
    });
  }
});

test("while the directory fails, what is on sale serves the payment", async () => {
  const tenant = await seller();
  await deploy(tenant, "$0.001");
  const first = await onSale(tenant);
  await deploy(tenant, "$0.5");
  const snapshot = await onSale(tenant);
  const broken: Pick<D1Database, "prepare"> = {
    prepare: () => {
      throw new Error("D1 is down");
    },
  };
  const DB = Object.assign(Object.create(null), broken) as D1Database;
  const sale = await saleFor({ DB }, config, snapshot, quotedUnder(first), CITIES, NOW_MS);
  expect(sale.snapshot).toEqual(snapshot);
});

test("a deleted tenant sells nothing by its quotes", async () => {
  const tenant = await seller();
  await deploy(tenant);
  const first = await onSale(tenant);
  await call(`DELETE /v1/tenant?confirm=${tenant.tenantId}`, { credential: tenant.apiKey });
  const gone = await onSale(tenant);
  const { snapshot } = await saleFor(env, config, gone, quotedUnder(first), CITIES, NOW_MS);
  expect(snapshot.routes).toEqual([]);
});

test("a v1 payment of a price that was replaced is honoured for as long as a payer has to sign", async () => {
  const tenant = await seller();
  await deploy(tenant, "$0.001");
  await deploy(tenant, "$0.5");
  const snapshot = await onSale(tenant);
  const replacedAtMs = snapshot.replaced?.atMs ?? 0;
  const soldTo = async (value: bigint, nowMs: number, segments = CITIES) =>
    (await saleFor(env, config, snapshot, inV1(value), segments, nowMs)).snapshot.version;
  expect(await soldTo(1_000n, replacedAtMs + 1_000)).toBe(1);
  expect(await soldTo(1_000n, replacedAtMs + 301_000)).toBe(2);
  expect(await soldTo(500_000n, replacedAtMs + 1_000)).toBe(2);
  expect(await soldTo(7n, replacedAtMs + 1_000)).toBe(2);
  expect(await soldTo(1_000n, replacedAtMs + 1_000, ["elsewhere"])).toBe(2);
});

test("what a rollback took off sale is what it replaced", async () => {
  const tenant = await seller();
  await deploy(tenant, "$0.001");
  const first = await onSale(tenant);
  expect(first.replaced).toBeUndefined();
  await deploy(tenant, "$0.5");
  await call(`POST /v1/deployments/${first.deploymentId}/rollback`, {
    credential: tenant.apiKey,
  });
  expect(await onSale(tenant)).toMatchObject({ version: 1, replaced: { version: 2 } });
});
