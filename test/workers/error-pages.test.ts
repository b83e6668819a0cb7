import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import * as z from "zod";
import { dispatcher } from "../../src/dispatcher/app.ts";
import { handlerOf } from "../../src/dispatcher/handlers.ts";
import { PROBLEM_CODES } from "../../src/payment/problems/problem.ts";
import { REFUSAL_CODES } from "../../src/payment/problems/problem-guide.ts";

const app = dispatcher(handlerOf);

function get(url: string, accept?: string): Promise<Response> {
  const request = new Request(url, { headers: accept === undefined ? {} : { Accept: accept } });
  return app.fetch(request, env, createExecutionContext());
}

const problemSchema = z.object({ type: z.url(), status: z.number(), code: z.string() }).loose();
const pageSchema = z.object({
  type: z.url(),
  code: z.string(),
  status: z.number(),
  cause: z.string(),
  remedy: z.string(),
  example: z.object({ body: z.object({ code: z.string() }).loose() }).loose(),
});

it.each([
  ["http://localhost:8402/t/nobody/x", "http://localhost:8402"],
  ["http://127.0.0.1:8402/t/nobody/x", "http://127.0.0.1:8402"],
  ["http://nobody.localhost:8402/x", "http://localhost:8402"],
  ["https://nobody.localhost/x", "https://localhost"],
])("the type of a problem at %s is a page at %s", async (url, origin) => {
  const answer = await get(url);
  const { type } = problemSchema.parse(await answer.json());
  expect(type).toBe(`${origin}/errors/unknown_tenant`);
  expect((await get(type)).status).toBe(200);
});

it("there is a page for every code, in every form", async () => {
  const list = await get("https://localhost/errors");
  const { errors } = z
    .object({ errors: z.array(z.object({ type: z.url(), code: z.string() }).loose()) })
    .parse(await list.json());
  expect(errors.map(({ code }) => code).toSorted()).toEqual(
    [...PROBLEM_CODES, ...REFUSAL_CODES].toSorted(),
  );
  for (const { type, code } of errors) {
    const json = await get(type, "application/json");
    const page = pageSchema.parse(await json.json());
    expect(page).toMatchObject({ type, code, example: { body: { code } } });
    const html = await get(type, "text/html,application/xhtml+xml,*/*;q=0.8");
    expect(html.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(await html.text()).toContain(`<code>${code}</code>`);
    const markdown = await get(type, "text/markdown");
    expect(markdown.headers.get("Content-Type")).toBe("text/markdown; charset=utf-8");
    expect(await markdown.text()).toContain(page.remedy);
  }
});

it("the pages are cached, vary by Accept, and run nothing", async () => {
  const page = await get("https://localhost/errors/settlement_unknown", "text/html");
  expect(page.headers.get("Cache-Control")).toBe("public, max-age=3600");
  expect(page.headers.get("Vary")).toContain("Accept");
  const policy = page.headers.get("Content-Security-Policy");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("sandbox");
  expect(await page.text()).not.toMatch(/<script|style=|src=/);
});

it.each(["nothing", "toString", "__proto__", "%3Cscript%3E"])(
  "there is no page for %s",
  async (code) => {
    const answer = await get(`https://localhost/errors/${code}`, "text/html");
    expect(answer.status).toBe(404);
    expect(problemSchema.parse(await answer.json()).code).toBe("not_found");
  },
);
