/** What every runtime for scripts keeps to. */
import { describe, expect, test } from "vitest";
import type { ScriptBundle } from "../../src/contracts/script.ts";
import type {
  ScriptInvocation,
  ScriptOutcome,
  ScriptRuntime,
} from "../../src/runtime/script/script-runtime.ts";
import { canonicalScript } from "../../src/runtime/script/script-version.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";
import { handlerSource, SCORE, singleModule } from "./scripts.ts";

export interface RuntimeUnderTest {
  readonly runtime: ScriptRuntime;
  /** Makes a version known to the runtime, as its deployment does. */
  deploy(invocation: ScriptInvocation, bundle: ScriptBundle): Promise<void> | void;
}

export async function invocationOf(
  bundle: ScriptBundle,
  changes: { tenant?: string; deadlineMs?: number; allowedHosts?: string[] } = {},
): Promise<ScriptInvocation> {
  const tenantId = parseTenantId(changes.tenant ?? "acme");
  if (tenantId === null) throw new Error("not a tenant id");
  const { version } = await canonicalScript(bundle);
  return {
    ref: { environment: "local", tenantId, version },
    limits: { cpuMs: 50, subRequests: 10, deadlineMs: changes.deadlineMs ?? 2_000 },
    egress: {
      tenantId,
      allowedHosts: changes.allowedHosts ?? [],
      maxSubrequests: 10,
      maxBytes: 1_000_000,
    },
  };
}

export function scriptRuntimeContract(underTest: RuntimeUnderTest): void {
  async function run(
    bundle: ScriptBundle,
    request = new Request("https://acme/score"),
    changes: Parameters<typeof invocationOf>[1] = {},
  ): Promise<ScriptOutcome> {
    const invocation = await invocationOf(bundle, changes);
    await underTest.deploy(invocation, bundle);
    return await underTest.runtime.run(invocation, request);
  }

  async function answerOf(outcome: ScriptOutcome | Promise<ScriptOutcome>): Promise<Response> {
    const settled = await outcome;
    if (settled.result !== "answered") throw new Error(JSON.stringify(settled));
    return settled.response;
  }

  describe("a script", () => {
    test("answers with its modules and assets", async () => {
      const request = new Request("https://acme/score", { method: "POST", body: "[1, 2]" });
      const response = await answerOf(run(SCORE, request));
      expect(response.headers.get("Content-Type")).toContain("application/json");
      expect(await response.json()).toEqual({ score: 6, motto: "count on it" });
    });

    test("gets method, canonical URL, headers and body, and nothing of ours beside them", async () => {
      const echo = singleModule(
        handlerSource(
          "return Response.json({ method: request.method, url: request.url, headers: [...request.headers], body: await request.text() })",
        ),
      );
      const request = new Request("https://acme/score?x=%C3%A4&y", {
        method: "PUT",
        headers: { "Payment-Id": "pay_1", "User-Agent": "agent/1" },
        body: "\u00e4",
      });
      const seen = await (
        await answerOf(run(echo, request))
      ).json<{
        headers: [string, string][];
      }>();
      expect(seen).toMatchObject({
        method: "PUT",
        url: "https://acme/score?x=%C3%A4&y",
        body: "\u00e4",
      });
      const ours = /^(?:claw-|script-|cf-|host$|x-forwarded)/;
      expect(seen.headers.filter(([name]) => ours.test(name))).toEqual([]);
      expect(seen.headers).toContainEqual(["payment-id", "pay_1"]);
      expect(seen.headers).toContainEqual(["user-agent", "agent/1"]);
    });

    test("answers HEAD, also as the first request for it, and when it throws", async () => {
      const bundle = singleModule(
        handlerSource(
          "if (request.url.endsWith('/throws')) throw new TypeError('inside'); return new Response('body', { headers: { 'X-Method': request.method } });",
        ),
      );
      const head = (url: string) => run(bundle, new Request(url, { method: "HEAD" }));
      const answer = await answerOf(head("https://acme/score"));
      expect([answer.status, answer.headers.get("X-Method")]).toEqual([200, "HEAD"]);
      expect(await head("https://acme/throws")).toEqual({ result: "failed", reason: "inside" });
    });

    test("answers any status, headers of its own, a redirect, and no body", async () => {
      const bundle = singleModule(
        handlerSource(`switch (new URL(request.url).pathname) {
  case "/teapot": return new Response("short", { status: 418, headers: { "X-Own": "1" } });
  case "/moved": return Response.redirect("https://acme/teapot", 302);
  default: return new Response(null, { status: 204 });
}`),
      );
      const teapot = await answerOf(run(bundle, new Request("https://acme/teapot")));
      expect([teapot.status, teapot.headers.get("X-Own"), await teapot.text()]).toEqual([
        418,
        "1",
        "short",
      ]);
      const moved = await answerOf(run(bundle, new Request("https://acme/moved")));
      expect([moved.status, moved.headers.get("Location")]).toEqual([302, "https://acme/teapot"]);
      expect((await answerOf(run(bundle))).status).toBe(204);
    });

    test("may stream its answer", async () => {
      const bundle = singleModule(
        handlerSource(`const { readable, writable } = new TransformStream();
const writer = writable.getWriter();
context.waitUntil((async () => { for (const part of ["a", "b", "c"]) await writer.write(new TextEncoder().encode(part)); await writer.close(); })());
return new Response(readable);`),
      );
      expect(await (await answerOf(run(bundle))).text()).toBe("abc");
    });

    test("that throws has failed, with its words for its owner", async () => {
      const bundle = singleModule(handlerSource("throw new TypeError('inside')"));
      expect(await run(bundle)).toEqual({ result: "failed", reason: "inside" });
    });

    test("that answers nothing has failed", async () => {
      expect(await run(singleModule(handlerSource("return 5")))).toMatchObject({
        result: "failed",
      });
    });

    test("that takes longer than its deadline has passed that limit", async () => {
      const bundle = singleModule(
        handlerSource("await scheduler.wait(10_000); return new Response('late')"),
      );
      const startedAtMs = Date.now();
      expect(await run(bundle, undefined, { deadlineMs: 200 })).toEqual({
        result: "limit_exceeded",
        limit: "deadline",
      });
      expect(Date.now() - startedAtMs).toBeLessThan(2_000);
    });

    test("that was not deployed is not available", async () => {
      const invocation = await invocationOf(singleModule(handlerSource("return 'nowhere'")));
      expect(await underTest.runtime.run(invocation, new Request("https://acme/"))).toMatchObject({
        result: "unavailable",
      });
    });
  });

  describe("isolation:", () => {
    const counting = singleModule(
      `let calls = 0; globalThis.calls = 0;
${handlerSource("return Response.json([calls += 1, globalThis.calls += 1, Object.prototype.calls = (Object.prototype.calls ?? 0) + 1])")}`,
    );

    test("versions share no memory, and neither do tenants with the same code", async () => {
      const countOf = async (bundle: ScriptBundle, tenant: string) =>
        await (await answerOf(run(bundle, undefined, { tenant }))).json();
      const other = singleModule(`${counting.modules["score.js"]?.content} // another version`);
      const first = [1, 1, 1];
      expect(await countOf(counting, "acme")).toEqual(first);
      expect(await countOf(counting, "bravo")).toEqual(first);
      expect(await countOf(other, "acme")).toEqual(first);
    });

    test("what one tenant's code puts into a cache no other tenant's finds, with the same code", async () => {
      const caching = singleModule(
        handlerSource(`const seen = [];
for (const open of [() => caches.default, () => caches.open("shared")]) {
  try {
    const cache = await open();
    const key = new Request("https://shared.example/item");
    seen.push((await (await cache.match(key))?.text()) ?? null);
    const kept = { headers: { "Cache-Control": "max-age=600" } };
    await cache.put(key, new Response(request.headers.get("X-Word"), kept));
  } catch (error) { seen.push("none: " + error.message); }
}
return Response.json(seen);`),
      );
      const foundBy = async (tenant: string) => {
        const request = new Request("https://acme/", { headers: { "X-Word": tenant } });
        return await (await answerOf(run(caching, request, { tenant }))).json<(string | null)[]>();
      };
      await foundBy("acme");
      const found = await foundBy("bravo");
      expect(found).toHaveLength(2);
      expect(found).not.toContain("acme");
    });

    test("a script has no bindings and no secrets", async () => {
      const bundle = singleModule(
        `import * as workers from "cloudflare:workers";
${handlerSource("return Response.json([env, workers.env, process.env, Object.keys(workers.exports)])")}`,
      );
      expect(await (await answerOf(run(bundle))).json()).toEqual([{}, {}, {}, ["default"]]);
    });

    test("a script reaches nothing that its tenant did not allow", async () => {
      const bundle = singleModule(
        handlerSource("return Response.json((await fetch('https://example.com/')).status)"),
      );
      expect(await (await answerOf(run(bundle))).json()).toBe(403);
    });
  });
}
