/** From a file of code to a version on sale. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { scriptListSchema, scriptReportSchema } from "../../src/contracts/script.ts";
import { deploymentResponseSchema } from "../../src/contracts/tenant-api.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { readScript } from "../../src/runtime/script/script-store.ts";
import { CEILINGS } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { handlerSource, SCORE, singleModule, uploadScript } from "../support/scripts.ts";

const ANSWER = handlerSource("return new Response('one')");

async function reportOf(response: Response) {
  expect(response.status).toBe(201);
  return scriptReportSchema.parse(await response.json());
}

function deployScript(tenant: TestTenant, script = "score.js") {
  return call("POST /v1/deployments", {
    credential: tenant.apiKey,
    body: {
      tenant: tenant.tenantId,
      routes: [{ path: "/score", script, methods: ["POST"], price: "$0.01" }],
    },
  });
}

async function publishedVersion({ tenantId }: TestTenant): Promise<string | null> {
  const text = await env.SNAPSHOTS.get(`tenant:${tenantId}`, "json");
  const handler = tenantSnapshotSchema.parse(text).routes[0]?.handler;
  return handler?.kind === "script" ? handler.version : null;
}

test("an upload of several modules and assets is kept as it was sent, and named by its content", async () => {
  const tenant = await createTenant();
  const report = await reportOf(await uploadScript(tenant, "score.js", SCORE));
  expect(report.modules.map(({ name, type }) => `${name} ${type}`).toSorted()).toEqual([
    "assets/motto.txt text",
    "lib/sum.js esm",
    "score.js esm",
    "weights.json json",
  ]);
  expect(await readScript(env, tenant.tenantId, report.version)).toEqual(SCORE);
});

test("one module may be sent as it is", async () => {
  const tenant = await createTenant();
  const asFile = await reportOf(await uploadScript(tenant, "one.js", ANSWER, "text/javascript"));
  const asBundle = await reportOf(
    await uploadScript(tenant, "one.js", singleModule(ANSWER, "one.js")),
  );
  expect(asFile).toEqual(asBundle);
});

test("a script may be in a directory of the project, and its modules beside and above it", async () => {
  const tenant = await createTenant();
  const bundle = {
    main: "src/score.js",
    modules: {
      "src/score.js": {
        type: "esm",
        content: `import { one } from "../lib/one.js"; ${handlerSource("return new Response(one)")}`,
      },
      "lib/one.js": { type: "esm", content: "export const one = '1';" },
    },
  };
  const report = await reportOf(await uploadScript(tenant, "src/score.js", bundle));
  expect(report.script).toBe("src/score.js");
});

test("the order of modules does not change the version; a byte of one does", async () => {
  const tenant = await createTenant();
  const reversed = {
    ...SCORE,
    modules: Object.fromEntries(Object.entries(SCORE.modules).toReversed()),
  };
  const changed = {
    ...SCORE,
    modules: { ...SCORE.modules, "assets/motto.txt": { type: "text", content: "count on it!" } },
  };
  const versions = [];
  for (const bundle of [SCORE, reversed, changed]) {
    const { version } = await reportOf(await uploadScript(tenant, "score.js", bundle));
    versions.push(version);
  }
  expect(versions[1]).toBe(versions[0]);
  expect(versions[2]).not.toBe(versions[0]);
});

test("what was uploaded last is what the next deployment sells, earlier code included", async () => {
  const tenant = await createTenant();
  const sources = ["one", "two", "one"].map((word) =>
    handlerSource(`return new Response('${word}')`),
  );
  const versions = [];
  for (const source of sources) {
    const report = await reportOf(await uploadScript(tenant, "score.js", singleModule(source)));
    expect((await deployScript(tenant)).status).toBe(201);
    expect(await publishedVersion(tenant)).toBe(report.version);
    versions.push(report.version);
  }
  expect(versions[2]).toBe(versions[0]);
});

test("an upload changes nothing on sale, and a rollback sells the code it had", async () => {
  const tenant = await createTenant();
  const first = await reportOf(await uploadScript(tenant, "score.js", singleModule(ANSWER)));
  const deployed = deploymentResponseSchema.parse(await (await deployScript(tenant)).json());
  await uploadScript(tenant, "score.js", SCORE);
  expect(await publishedVersion(tenant)).toBe(first.version);
  await deployScript(tenant);
  expect(await publishedVersion(tenant)).not.toBe(first.version);
  await call(`POST /v1/deployments/${deployed.deploymentId}/rollback`, {
    credential: tenant.apiKey,
  });
  expect(await publishedVersion(tenant)).toBe(first.version);
});

test("uploads at the same time do not add up to more scripts than the plan allows", async () => {
  const busy = await createTenant();
  const { scriptsMax } = PLANS.free.limits;
  const uploads = await Promise.all(
    Array.from({ length: 2 * scriptsMax }, (_, index) =>
      uploadScript(busy, `s${index}.js`, ANSWER, "text/javascript"),
    ),
  );
  expect(uploads.filter(({ status }) => status === 201)).toHaveLength(scriptsMax);
  expect(uploads.filter(({ status }) => status === 400)).toHaveLength(scriptsMax);
  const answer = await call("GET /v1/scripts", { credential: busy.apiKey });
  expect(scriptListSchema.parse(await answer.json()).scripts).toHaveLength(scriptsMax);
});

test("scripts are listed, and one tenant's are not another's", async () => {
  const [tenant, other] = [await createTenant(), await createTenant()];
  const report = await reportOf(await uploadScript(tenant, "score.js", SCORE));
  const listOf = async ({ apiKey }: TestTenant) =>
    scriptListSchema.parse(await (await call("GET /v1/scripts", { credential: apiKey })).json());
  expect((await listOf(tenant)).scripts).toMatchObject([report]);
  expect((await listOf(other)).scripts).toEqual([]);
  expect(await readScript(env, (await createTenant()).tenantId, report.version)).toBeNull();
  expect(await problemOf(await deployScript(other))).toEqual({
    status: 409,
    code: "script_not_uploaded",
    fields: ["routes[0].script"],
  });
});

describe("refuses, naming what is wrong,", () => {
  test.each([
    ["a name that climbs", "..%2fscore.js"],
    ["a name without an extension", "score"],
    ["a hidden file", ".score.js"],
    ["a name with a prototype in it", "__proto__.js"],
  ])("%s", async (_what, name) => {
    const tenant = await createTenant();
    const response = await uploadScript(tenant, name, ANSWER, "text/javascript");
    expect(await problemOf(response)).toEqual({
      status: 400,
      code: "invalid_request",
      fields: ["name"],
    });
  });

  test.each([
    [
      "JSON that is none",
      { ...SCORE.modules, "a.json": { type: "json", content: "{" } },
      '["a.json"]',
    ],
    [
      "code in a file of text",
      { ...SCORE.modules, "a.txt": { type: "esm", content: "" } },
      '["a.txt"]',
    ],
    [
      "a module name that climbs",
      { ...SCORE.modules, "../a.js": { type: "esm", content: "" } },
      '["../a.js"]',
    ],
    ["an unknown type", { ...SCORE.modules, "a.py": { type: "py", content: "" } }, '["a.py"].type'],
  ])("%s", async (_what, modules, field) => {
    const response = await uploadScript(await createTenant(), "score.js", {
      main: "score.js",
      modules,
    });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 400, code: "invalid_request" });
    expect(problem.fields).toContain(`modules${field}`);
  });

  test("an entry that is not the script's name, and one that is not there", async () => {
    const tenant = await createTenant();
    for (const bundle of [SCORE, { ...SCORE, main: "other.js" }]) {
      expect((await problemOf(await uploadScript(tenant, "other.js", bundle))).fields).toEqual([
        "main",
      ]);
    }
  });

  test.each([
    ["a syntax error", "export const x = = 1;", /SyntaxError.*lib\/sum\.js:1/s],
    ["an export that is missing", "export const product = 1;", /export named 'sum'.*score\.js:1/s],
    [
      "code that throws at its start",
      "throw new Error('oops'); export const sum = 1;",
      /oops.*lib\/sum\.js:1/s,
    ],
    ["an import that is missing", "export * from './none.js';", /none\.js.*lib\/sum\.js/s],
  ])("%s, with its module", async (_what, content, expected) => {
    const bundle = {
      ...SCORE,
      modules: { ...SCORE.modules, "lib/sum.js": { type: "esm", content } },
    };
    const response = await uploadScript(await createTenant(), "score.js", bundle);
    expect(response.status).toBe(400);
    const document = await response.json<{ detail: string; reason: string }>();
    expect(document.reason).toBe("script_does_not_start");
    expect(document.detail).toMatch(expected);
  });

  test.each(["export const x = 1;", "export default 5;", "export default {};"])(
    "code that exports no handler: %s",
    async (source) => {
      const response = await uploadScript(await createTenant(), "a.js", source, "text/javascript");
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("must export default an object with a fetch method");
    },
  );

  test("more modules, bytes or scripts than the plan allows", async () => {
    const tenant = await createTenant();
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`m${index}.js`, { type: "esm", content: "" }]),
    );
    const refusals = [
      { ...SCORE, modules: { ...SCORE.modules, ...many } },
      singleModule(`${ANSWER}//${"x".repeat(1_048_576)}`),
    ];
    for (const bundle of refusals) {
      expect(await problemOf(await uploadScript(tenant, "score.js", bundle))).toEqual({
        status: 400,
        code: "invalid_request",
        fields: ["modules"],
      });
    }
    for (let index = 0; index < 5; index += 1) {
      await reportOf(await uploadScript(tenant, `s${index}.js`, ANSWER, "text/javascript"));
    }
    const sixth = await uploadScript(tenant, "s5.js", ANSWER, "text/javascript");
    expect(await problemOf(sixth)).toMatchObject({ status: 400, fields: ["name"] });
    await reportOf(await uploadScript(tenant, "s0.js", `${ANSWER} `, "text/javascript"));
    const huge = "x".repeat(2 * CEILINGS.scriptBytesMax + 1);
    expect((await uploadScript(tenant, "s0.js", huge, "text/javascript")).status).toBe(413);
  });

  test("other media types, other people and nobody", async () => {
    const tenant = await createTenant();
    expect((await uploadScript(tenant, "a.js", ANSWER, "text/plain")).status).toBe(415);
    expect((await uploadScript({ apiKey: "claw_x" }, "a.js", ANSWER)).status).toBe(401);
    expect((await call("PUT /v1/scripts/a.js", { body: ANSWER })).status).toBe(401);
  });
});
