/** The upload into a dispatch namespace, as the API documents it, read by a server of our own. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { buffer, text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import type { ScriptBundle } from "../../src/contracts/script.ts";
import { deleteFromNamespace, uploadToNamespace } from "../../src/runtime/script/namespace-api.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

interface Upload {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer<ArrayBuffer>;
}

const BUNDLE: ScriptBundle = {
  main: "src/score.js",
  modules: {
    "src/score.js": { type: "esm", content: "export default { fetch() {} };" },
    "weights.json": { type: "json", content: '{"é": "\\u2028"}' },
    "motto.txt": { type: "text", content: "count on it\n" },
  },
};
const VERSION = "5c".repeat(32);
const TAGS = ["environment-production", "tenant-acme", `version-${VERSION}`];

let uploads: Upload[] = [];
let reply = { status: 200, body: "" };
/** What the API says that the uploaded script is tagged. */
let tagsReply = "";
const tagsRequests: (string | undefined)[] = [];
const server = createServer((request, response) => {
  void receive(request).then((received) => {
    response.setHeader("Content-Type", "application/json");
    if (received.method === "GET") {
      tagsRequests.push(received.path);
      return response.end(tagsReply);
    }
    uploads.push(received);
    return response.writeHead(reply.status).end(reply.body);
  });
});
async function receive(request: IncomingMessage): Promise<Upload> {
  const body = Buffer.from(await buffer(request));
  const { method, url: path, headers } = request;
  return { method, path, headers, body };
}

let apiUrl: string;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server listens");
  apiUrl = `http://127.0.0.1:${address.port}/client/v4`;
});
afterAll(() => server.close());
beforeEach(() => {
  uploads = [];
  tagsRequests.length = 0;
  tagsReply = JSON.stringify({ success: true, errors: [], result: TAGS });
  reply = { status: 200, body: JSON.stringify({ success: true, errors: [], result: {} }) };
});

function upload() {
  const tenantId = parseTenantId("acme");
  if (tenantId === null) throw new Error("acme is a tenant id");
  return uploadToNamespace(
    { apiUrl, accountId: "ac".repeat(16), namespace: "claw-production", apiToken: "a-token" },
    { environment: "production", tenantId, version: VERSION },
    BUNDLE,
  );
}

test.each([
  ["is there", 200, true],
  ["never was there", 404, true],
  ["can't be deleted now", 502, false],
])("a script that %s is deleted by its name, with the token", async (_what, status, isGone) => {
  reply = { status, body: "{}" };
  const api = {
    apiUrl,
    accountId: "ac".repeat(16),
    namespace: "claw-production",
    apiToken: "a-token",
  };
  expect(await deleteFromNamespace(api, "production--acme--5c")).toBe(isGone);
  expect(uploads).toMatchObject([
    {
      method: "DELETE",
      path: `/client/v4/accounts/${"ac".repeat(16)}/workers/dispatch/namespaces/claw-production/scripts/production--acme--5c`,
      headers: { authorization: "Bearer a-token" },
    },
  ]);
});

test("is one PUT of the script's name in the namespace, with the token", async () => {
  expect(await upload()).toEqual({ result: "uploaded" });
  expect(uploads).toHaveLength(1);
  expect(uploads[0]).toMatchObject({
    method: "PUT",
    path: `/client/v4/accounts/${"ac".repeat(16)}/workers/dispatch/namespaces/claw-production/scripts/production--acme--${VERSION}`,
    headers: { authorization: "Bearer a-token" },
  });
});

test("is a multipart form that begins with the metadata: entry, compatibility, tags, and no bindings", async () => {
  await upload();
  const [sent] = uploads;
  if (sent === undefined) throw new Error("nothing was sent");
  expect(sent.headers["content-type"]).toMatch(/^multipart\/form-data; ?boundary=/);
  const form = await formOf(sent);
  expect([...form.keys()]).toEqual(["metadata", "src/score.js", "weights.json", "motto.txt"]);
  expect(JSON.parse(z.string().parse(form.get("metadata")))).toEqual({
    main_module: "src/score.js",
    compatibility_date: "2026-10-01",
    compatibility_flags: ["nodejs_compat"],
    bindings: [],
    tags: TAGS,
  });
});

test("has a part for every module, named as it is imported, of its type", async () => {
  await upload();
  const [sent] = uploads;
  if (sent === undefined) throw new Error("nothing was sent");
  const form = await formOf(sent);
  expect(await partOf(form, "src/score.js")).toEqual({
    fileName: "src/score.js",
    type: "application/javascript+module",
    content: "export default { fetch() {} };",
  });
  expect(await partOf(form, "motto.txt")).toEqual({
    fileName: "motto.txt",
    type: "text/plain",
    content: "count on it\n",
  });
  const json = await partOf(form, "weights.json");
  expect(json).toMatchObject({ fileName: "weights.json", type: "application/javascript+module" });
  const { default: value } = await import(
    `data:text/javascript,${encodeURIComponent(json.content)}`
  );
  expect(value).toEqual({ é: "\u2028" });
});

test("is looked at afterwards: what is there has to be tagged as this tenant's version", async () => {
  expect(await upload()).toEqual({ result: "uploaded" });
  expect(tagsRequests).toEqual([`${uploads[0]?.path}/tags`]);
  for (const result of [[], ["tenant-acme"], TAGS.with(1, "tenant-bravo"), null]) {
    tagsReply = JSON.stringify({ success: true, errors: [], result });
    expect(await upload()).toMatchObject({ result: "unavailable" });
  }
});

test("is refused in the API's words when the code is at fault", async () => {
  const errors = [{ code: 10021, message: "Uncaught SyntaxError at src/score.js:1" }];
  reply = { status: 400, body: JSON.stringify({ success: false, errors, result: null }) };
  expect(await upload()).toEqual({
    result: "refused",
    reason: "Uncaught SyntaxError at src/score.js:1 (10021)",
  });
});

test.each([
  [
    403,
    JSON.stringify({ success: false, errors: [{ code: 10000, message: "Authentication error" }] }),
  ],
  [429, "slow down"],
  [502, "<html>"],
  [200, "<html>"],
])("is not available when the API answers %i %s", async (status, body) => {
  reply = { status, body };
  expect(await upload()).toMatchObject({ result: "unavailable" });
});

test("never shows the token in its reason", async () => {
  reply = { status: 500, body: "" };
  expect(JSON.stringify(await upload())).not.toContain("a-token");
});

function formOf({ headers, body }: Upload): Promise<FormData> {
  const contentType = headers["content-type"] ?? "";
  return new Response(body, { headers: { "Content-Type": contentType } }).formData();
}

async function partOf(form: FormData, name: string) {
  const part = form.get(name);
  if (!(part instanceof File)) throw new Error(`${name} is sent as a file`);
  const content = await text(part.stream());
  return { fileName: part.name, type: part.type, content };
}
