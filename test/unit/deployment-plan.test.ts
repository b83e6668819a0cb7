import { expect, test } from "vitest";
import { manifestSchema } from "../../src/contracts/manifest.ts";
import type { Route } from "../../src/contracts/snapshot.ts";
import { planDeployment, type UploadedDataset } from "../../src/tenant/deployment-plan.ts";

const CITIES: UploadedDataset = {
  name: "cities",
  store: "acme/cities/v1",
  columns: [
    { name: "id", type: "integer", nullable: false },
    { name: "country", type: "string", nullable: false },
    { name: "zip", type: "string", nullable: true },
  ],
  key: "id",
  indexes: ["country"],
};
const KEYLESS: UploadedDataset = {
  ...CITIES,
  name: "keyless",
  store: "acme/keyless/v1",
  key: null,
};
const SCORE = { name: "score.js", version: "5c".repeat(32) };
const BASE_SEPOLIA = {
  caip2: "eip155:84532",
  rpcUrl: null,
  asset: { address: `0x${"a5".repeat(20)}`, name: "USDC", version: "2", decimals: 6 },
  confirmations: 0,
};
const ROUTE = { path: "/cities", dataset: "cities", price: "$0.001" };

function plan(
  manifest: { datasets?: unknown; routes?: unknown; egress?: unknown; x402Versions?: unknown },
  decimals = 6,
  allowsLoopback = false,
) {
  const parsed = manifestSchema.parse({ tenant: "acme", routes: [ROUTE], ...manifest });
  const uploads = { datasets: [CITIES, KEYLESS], scripts: [SCORE] };
  return planDeployment(parsed, uploads, {
    network: { ...BASE_SEPOLIA, asset: { ...BASE_SEPOLIA.asset, decimals } },
    networks: [BASE_SEPOLIA],
    allowsLoopback,
    platformHosts: ["402claw.example"],
    secretNames: new Set(["WEATHER_KEY"]),
    egressHostsMax: 1,
    environment: "local",
  });
}

function routesOf(manifest: {
  datasets?: unknown;
  routes?: unknown;
  egress?: unknown;
  x402Versions?: unknown;
}) {
  const planned = plan(manifest);
  return planned.result === "planned" ? planned.routes : [];
}

function faultsOf(
  manifest: { datasets?: unknown; routes?: unknown; egress?: unknown; x402Versions?: unknown },
  decimals = 6,
) {
  const refused = plan(manifest, decimals);
  if (refused.result === "planned") return [];
  return refused.faults.map(({ code, field }) => `${code} ${field}`);
}

function modeOf({ handler }: Route) {
  return handler.kind === "dataset" ? handler.mode : handler.kind;
}

test("an origin is sold as it is, and only where it is deployed may it be on this machine", () => {
  const origin = { path: "/weather", price: "$0.002", origin: "https://api.example.com/weather" };
  expect(routesOf({ routes: [origin] })).toMatchObject([
    { path: "/weather", handler: { kind: "origin", url: origin.origin } },
  ]);
  const loopback = { routes: [{ ...origin, origin: "http://127.0.0.1:8080/" }] };
  expect(faultsOf(loopback)).toEqual(["invalid_request routes[0].origin"]);
  expect(plan(loopback, 6, true).result).toBe("planned");
});

test("a script route sells exactly the version that is uploaded now", () => {
  const route = { path: "/score", script: "score.js", price: "$0.01", methods: ["POST"] };
  expect(routesOf({ routes: [route] })).toMatchObject([
    {
      path: "/score",
      methods: ["POST"],
      handler: {
        kind: "script",
        script: "score.js",
        version: SCORE.version,
        dispatchKey: `local--acme--${SCORE.version}`,
      },
    },
  ]);
  expect(faultsOf({ routes: [{ ...route, script: "other.js" }] })).toEqual([
    "script_not_uploaded routes[0].script",
  ]);
  expect(faultsOf({ routes: [{ ...route, execution: "alongside" }] })).toEqual([
    "invalid_request routes[0].execution",
  ]);
});

test("a route has one handler", () => {
  const both = { path: "/score", script: "score.js", dataset: "cities", price: "$0.01" };
  expect(() => plan({ routes: [both] })).toThrow("only one of them");
  expect(() => plan({ routes: [{ path: "/score", price: "$0.01" }] })).toThrow("must be given");
});

test("a route is paid after its handler answered, unless it says before", () => {
  const settlementOf = (extra: object) =>
    routesOf({ routes: [{ ...ROUTE, ...extra }] })[0]?.settlement;
  expect(settlementOf({})).toBe("after");
  expect(settlementOf({ settlement: "before" })).toBe("before");
});

test("an origin never leads to an address, into a private network or back to the platform", () => {
  for (const origin of [
    "https://169.254.169.254/latest/",
    "https://[::1]/",
    "https://metadata.google.internal/",
    "https://127.0.0.1.nip.io/",
    "https://acme.402claw.example/cities",
  ]) {
    const routes = [{ path: "/weather", price: "$0.002", origin }];
    expect(faultsOf({ routes })).toEqual(["invalid_request routes[0].origin"]);
  }
});

test("an origin's secret is one that is set, and goes with an origin only", () => {
  const origin = { path: "/weather", price: "$0.002", origin: "https://api.example.com/weather" };
  const auth = (secret: string) => ({ originAuth: { header: "Authorization", secret } });
  expect(routesOf({ routes: [{ ...origin, ...auth("WEATHER_KEY") }] })).toMatchObject([
    { handler: { auth: { header: "Authorization", secret: "WEATHER_KEY" } } },
  ]);
  expect(faultsOf({ routes: [{ ...origin, ...auth("OTHER_KEY") }] })).toEqual([
    "invalid_request routes[0].originAuth.secret",
  ]);
});

test("scripts get the hosts that the manifest lists, as many as the plan allows", () => {
  const routes = [{ path: "/score", script: "score.js", price: "$0.01" }];
  expect(routesOf({ routes, egress: ["api.example.com"] })).toMatchObject([
    { handler: { kind: "script", allowedHosts: ["api.example.com"] } },
  ]);
  expect(faultsOf({ routes, egress: ["api.example.com", "*.example.net"] })).toEqual([
    "invalid_request egress",
  ]);
});

test("a route without dataset and origin, or with both, is refused by name", () => {
  for (const extra of [{}, { dataset: "cities", origin: "https://api.example.com/" }]) {
    const parsed = manifestSchema.safeParse({
      tenant: "acme",
      routes: [{ path: "/x", price: "$1", ...extra }],
    });
    expect(parsed.error?.issues.map(({ path }) => path.join("."))).toEqual(["routes.0.dataset"]);
  }
});

test("a list of a dataset with a key also sells its rows, at the same price", () => {
  expect(
    routesOf({}).map((route) => [route.path, modeOf(route), route.priceAtomic, route.methods]),
  ).toEqual([
    ["/cities", "list", "1000", ["GET"]],
    ["/cities/:key", "item", "1000", ["GET"]],
  ]);
});

test("a list without a key and a download sell one route each", () => {
  const routes = routesOf({
    routes: [
      { ...ROUTE, path: "/keyless", dataset: "keyless" },
      { ...ROUTE, path: "/cities/export", mode: "download", price: "$0.05" },
    ],
  });
  expect(routes.map((route) => [route.path, modeOf(route)])).toEqual([
    ["/keyless", "list"],
    ["/cities/export", "download"],
  ]);
});

test("a route is bound to the version of the dataset that is the newest now", () => {
  const [route] = routesOf({});
  expect(route?.handler).toEqual({
    kind: "dataset",
    dataset: "cities",
    store: "acme/cities/v1",
    mode: "list",
    key: "id",
    columns: CITIES.columns,
  });
});

const declared = (declaration: object) => ({
  datasets: { cities: { file: "cities.csv", ...declaration } },
});

test.each([
  [
    "a dataset nobody uploaded",
    { routes: [{ ...ROUTE, dataset: "towns" }] },
    ["dataset_not_uploaded routes[0].dataset"],
  ],
  [
    "a declared dataset nobody uploaded",
    { datasets: { towns: { file: "t.csv" } } },
    ["dataset_not_uploaded datasets.towns"],
  ],
  ["a key that is no column", declared({ key: "name" }), ["invalid_request datasets.cities.key"]],
  [
    "another key than the upload's",
    declared({ key: "zip" }),
    ["invalid_request datasets.cities.key"],
  ],
  [
    "an index that is no column",
    declared({ indexes: ["country", "name"] }),
    ["invalid_request datasets.cities.indexes[1]"],
  ],
  [
    "an index the upload lacks",
    declared({ indexes: ["zip"] }),
    ["invalid_request datasets.cities.indexes[0]"],
  ],
  [
    "another type than the upload's",
    declared({ types: { zip: "integer" } }),
    ["invalid_request datasets.cities.types.zip"],
  ],
  [
    "the same path twice",
    { routes: [ROUTE, { ...ROUTE, price: "$1" }] },
    ["invalid_request routes[1].path"],
  ],
  [
    "a path whose methods are sold apart",
    {
      routes: [
        { ...ROUTE, methods: ["GET"] },
        { ...ROUTE, methods: ["HEAD"] },
      ],
    },
    ["invalid_request routes[1].path"],
  ],
  [
    "a path of the platform",
    { routes: [{ ...ROUTE, path: "/openapi.json" }] },
    ["invalid_request routes[0].path"],
  ],
  [
    "writing to a dataset",
    { routes: [{ ...ROUTE, methods: ["POST"] }] },
    ["invalid_request routes[0].methods"],
  ],
  [
    "a price of nothing",
    { routes: [{ ...ROUTE, price: "$0" }] },
    ["price_too_small routes[0].price"],
  ],
  [
    "all faults at once",
    {
      routes: [
        { ...ROUTE, price: "$0.00" },
        { ...ROUTE, dataset: "towns" },
      ],
    },
    [
      "price_too_small routes[0].price",
      "dataset_not_uploaded routes[1].dataset",
      "invalid_request routes[1].path",
    ],
  ],
])("refuses %s", (_what, manifest, faults) => {
  expect(faultsOf(manifest)).toEqual(faults);
});

test("agrees with the declaration the upload was made from", () => {
  const manifest = declared({
    key: "id",
    indexes: ["country", "id"],
    types: { zip: "string", "Zip Code": "string" },
  });
  expect(faultsOf(manifest)).toEqual([]);
});

test("refuses a price that truncates to nothing in an asset of few decimals", () => {
  expect(faultsOf({}, 2)).toEqual(["price_too_small routes[0].price"]);
});

test("only a dataset that is paid after its answer may run alongside its payment's verification", () => {
  const alongside = { ...ROUTE, execution: "alongside" };
  expect(routesOf({ routes: [alongside] }).map(({ execution }) => execution)).toEqual([
    "alongside",
    "alongside",
  ]);
  expect(routesOf({ routes: [ROUTE] })[0]?.execution).toBe("after");
  const { dataset: _dataset, ...bare } = alongside;
  const origin = { ...bare, origin: "https://api.example.com/weather" };
  expect(faultsOf({ routes: [origin] })).toEqual(["invalid_request routes[0].execution"]);
  expect(faultsOf({ routes: [{ ...alongside, settlement: "before" }] })).toEqual([
    "invalid_request routes[0].execution",
  ]);
  expect(faultsOf({ routes: [{ ...alongside, methods: ["POST"] }] })).toEqual([
    "invalid_request routes[0].methods",
  ]);
});

test("every route says when it is not sold by both versions of x402", () => {
  const routes = [{ path: "/all", dataset: "cities", price: "$0.01" }];
  expect(routesOf({ routes })[0]).not.toHaveProperty("x402Versions");
  for (const route of routesOf({ routes, x402Versions: [2] })) {
    expect(route).toMatchObject({ x402Versions: [2] });
  }
});
