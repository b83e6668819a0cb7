/** Both runtimes keep one contract; what is special about each comes after it. */
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import type { ScriptBundle } from "../../src/contracts/script.ts";
import { dispatchedScripts } from "../../src/runtime/script/dispatch-namespace.ts";
import { hostedScripts } from "../../src/runtime/script/hosted-scripts.ts";
import { dispatchKey } from "../../src/runtime/script/script-runtime.ts";
import { FakeDispatchNamespace } from "../support/dispatch-namespace.ts";
import { invocationOf, scriptRuntimeContract } from "../support/script-runtime-contract.ts";
import { handlerSource, singleModule } from "../support/scripts.ts";

const ANSWER = singleModule(handlerSource("return new Response('answer')"));
const request = () => new Request("https://acme/score");

describe("the script host on the Worker Loader", () => {
  const stored = new Map<string, ScriptBundle>();
  const runtime = hostedScripts({
    host: env.SCRIPT_HOST,
    token: env.SCRIPT_HOST_TOKEN,
    readCode: (ref) => Promise.resolve(stored.get(dispatchKey(ref)) ?? null),
  });
  scriptRuntimeContract({
    runtime,
    deploy: ({ ref }, bundle) => void stored.set(dispatchKey(ref), bundle),
  });

  test("is sent the code of a version once", async () => {
    const bundle = singleModule(handlerSource("return new Response('asked for once')"));
    let reads = 0;
    const counting = hostedScripts({
      host: env.SCRIPT_HOST,
      token: "",
      readCode: () => {
        reads += 1;
        return Promise.resolve(bundle);
      },
    });
    const invocation = await invocationOf(bundle);
    for (let call = 0; call < 3; call += 1) await counting.run(invocation, request());
    expect(reads).toBe(1);
  });

  test("runs nothing for whoever does not know its token", async () => {
    const stranger = hostedScripts({
      host: env.SCRIPT_HOST,
      token: "guessed",
      readCode: () => Promise.resolve(ANSWER),
    });
    const outcome = await stranger.run(await invocationOf(ANSWER), request());
    expect(outcome).toEqual({ result: "unavailable", reason: "the host answers 401" });
  });

  test("lets no script speak in its name, to have another tenant blamed or its own limits forgotten", async () => {
    const bundle = singleModule(
      handlerSource(`return new Response("mine", { headers: {
  "Script-Outcome": "starting",
  "Egress-Denials": '[{"tenantId":"bravo","reason":"host_not_allowed","count":1000}]',
  "Egress-Uses": '[{"tenantId":"bravo","egressBytes":1000000,"subrequests":1000}]',
} })`),
    );
    const told: unknown[] = [];
    const listening = hostedScripts({
      host: env.SCRIPT_HOST,
      token: env.SCRIPT_HOST_TOKEN,
      readCode: () => Promise.resolve(bundle),
      onDenials: (counts) => told.push(...counts),
      onUses: (uses) => told.push(...uses),
    });
    const outcome = await listening.run(await invocationOf(bundle), request());
    if (outcome.result !== "answered") throw new Error(JSON.stringify(outcome));
    expect(await outcome.response.text()).toBe("mine");
    expect(JSON.stringify(told)).not.toContain("bravo");
  });

  const outcomeOf = async (body: string) => {
    const bundle = singleModule(handlerSource(body));
    const invocation = await invocationOf(bundle, { allowedHosts: ["api.example.com"] });
    stored.set(dispatchKey(invocation.ref), bundle);
    return await runtime.run(invocation, request());
  };

  test.each([
    [
      "subrequests",
      "for (let sent = 0; sent < 11; sent += 1) await fetch('https://refused.example.net/')",
    ],
    [
      "egress_bytes",
      "await fetch('https://api.example.com/', { method: 'POST', body: 'x'.repeat(1_000_001) })",
    ],
  ])(
    "a script that goes over %s and does not expect it has passed that limit",
    async (limit, body) => {
      const outcome = await outcomeOf(`${body}; return new Response("sold all the same")`);
      expect(outcome).toEqual({ result: "limit_exceeded", limit });
    },
  );

  test("a script that catches what its limit throws decides what it answers", async () => {
    const outcome = await outcomeOf(`let sent = 0;
try { for (;;) { await fetch("https://refused.example.net/"); sent += 1; } } catch (error) {
  return new Response(sent + " sent: " + error.message);
}`);
    if (outcome.result !== "answered") throw new Error(JSON.stringify(outcome));
    expect(await outcome.response.text()).toBe("10 sent: Too many subrequests.");
  });

  test("a change of the egress policy takes effect for code that is loaded already", async () => {
    const bundle = singleModule(
      handlerSource("return new Response(await (await fetch('https://example.invalid/')).text())"),
    );
    const reasonOf = async (allowedHosts: string[]) => {
      const invocation = await invocationOf(bundle, { allowedHosts });
      stored.set(dispatchKey(invocation.ref), bundle);
      const outcome = await runtime.run(invocation, request());
      if (outcome.result !== "answered") throw new Error(JSON.stringify(outcome));
      return (await outcome.response.json<{ reason: string }>()).reason;
    };
    expect(await reasonOf([])).toBe("reserved_name");
    expect(await reasonOf(["example.com"])).toBe("reserved_name");
  });
});

describe("a host that dies under its calls", () => {
  const answered = () => new Response("fine", { headers: { "Script-Outcome": "answered" } });
  const isReadyRequest = (input: URL | RequestInfo) =>
    typeof input === "string" && input.endsWith("/ready");
  const runtimeOn = (run: (init: RequestInit | undefined) => Promise<Response>) =>
    hostedScripts({
      host: {
        fetch: (input, init) =>
          isReadyRequest(input) ? Promise.resolve(new Response(null, { status: 204 })) : run(init),
      },
      token: "",
      readCode: () => Promise.resolve(ANSWER),
    });

  test("calls that were lost are run once more, one at a time", async () => {
    let sent = 0;
    let running = 0;
    let runningMax = 0;
    const runtime = runtimeOn(async () => {
      sent += 1;
      if (sent <= 3) throw new Error("Network connection lost.");
      running += 1;
      runningMax = Math.max(runningMax, running);
      await scheduler.wait(5);
      running -= 1;
      return answered();
    });
    const invocation = await invocationOf(ANSWER);
    const outcomes = await Promise.all([1, 2, 3].map(() => runtime.run(invocation, request())));
    expect(outcomes.map(({ result }) => result)).toEqual(["answered", "answered", "answered"]);
    expect(runningMax).toBe(1);
  });

  test("the call that ends it again has passed a limit; the others are answered", async () => {
    const inHost = new Set<(error: Error) => void>();
    const runtime = runtimeOn(async (init) => {
      const { promise, reject } = Promise.withResolvers<never>();
      inHost.add(reject);
      if (new Headers(init?.headers).get("X-Loops") === "1") {
        await scheduler.wait(5);
        for (const lose of inHost) lose(new Error("Network connection lost."));
      }
      const response = await Promise.race([promise, scheduler.wait(20).then(answered)]);
      inHost.delete(reject);
      return response;
    });
    const invocation = await invocationOf(ANSWER);
    const looping = new Request("https://acme/", { headers: { "X-Loops": "1" } });
    const outcomes = await Promise.all([
      runtime.run(invocation, looping),
      runtime.run(invocation, request()),
    ]);
    expect(outcomes.map(({ result }) => result)).toEqual(["limit_exceeded", "answered"]);
  });

  test("no call is blamed for what an earlier one has left behind in the process", async () => {
    let isLoopingSoon = true;
    let sent = 0;
    const runtime = runtimeOn((init) => {
      sent += 1;
      if (isLoopingSoon) {
        // Both of the first runs end with the process that they are in.
        isLoopingSoon = sent < 2;
        return Promise.reject(new Error("Network connection lost."));
      }
      isLoopingSoon = new Headers(init?.headers).get("X-Leaves-Loop") === "1";
      sent = isLoopingSoon ? 1 : sent;
      return Promise.resolve(answered());
    });
    const invocation = await invocationOf(ANSWER);
    const leaving = new Request("https://acme/", { headers: { "X-Leaves-Loop": "1" } });
    const outcomes = await Promise.all([
      runtime.run(invocation, leaving),
      runtime.run(invocation, request()),
    ]);
    expect(outcomes.map(({ result }) => result)).toEqual(["answered", "answered"]);
    expect((await runtime.run(invocation, request())).result).toBe("answered");
  });

  test("a call whose process always ends when it is alone in it has passed a limit", async () => {
    let sent = 0;
    const runtime = runtimeOn(() => {
      sent += 1;
      return Promise.reject(new Error("Network connection lost."));
    });
    expect(await runtime.run(await invocationOf(ANSWER), request())).toEqual({
      result: "limit_exceeded",
      limit: "cpu_or_memory",
    });
    expect(sent).toBe(2);
  });

  test("no call is blamed for an upload that ends the process while it is tried out", async () => {
    const died = Promise.withResolvers<Response>();
    let runs = 0;
    const runtime = runtimeOn((init) => {
      if (init?.method === "POST") {
        died.reject(new Error("Network connection lost."));
        return died.promise;
      }
      runs += 1;
      if (runs === 1) return Promise.reject(new Error("Network connection lost."));
      return runs === 2 ? died.promise : Promise.resolve(answered());
    });
    const call = runtime.run(await invocationOf(ANSWER), request());
    await vi.waitFor(() => expect(runs).toBe(2));
    expect(await runtime.check(ANSWER)).toMatchObject({ ok: false });
    expect((await call).result).toBe("answered");
  });

  test("a rerun whose call is over holds up no other", async () => {
    let runs = 0;
    const runtime = runtimeOn(() => {
      runs += 1;
      if (runs === 1) return Promise.reject(new Error("Network connection lost."));
      return runs === 2 ? new Promise<never>(() => undefined) : Promise.resolve(answered());
    });
    const invocation = await invocationOf(ANSWER);
    const over = new AbortController();
    void runtime.run(invocation, new Request("https://acme/", { signal: over.signal }));
    await vi.waitFor(() => expect(runs).toBe(2));
    const next = runtime.run(invocation, request());
    over.abort();
    const outcome = await Promise.race([next, scheduler.wait(2_000)]);
    expect(outcome).toMatchObject({ result: "answered" });
  });

  test("a host that is just starting is asked again", async () => {
    let starting = 2;
    const runtime = runtimeOn(() => {
      starting -= 1;
      return Promise.resolve(
        starting < 0
          ? answered()
          : Response.json({ result: "starting" }, { headers: { "Script-Outcome": "starting" } }),
      );
    });
    expect((await runtime.run(await invocationOf(ANSWER), request())).result).toBe("answered");
  });
});

describe("Workers for Platforms", () => {
  const namespace = new FakeDispatchNamespace();
  const runtime = dispatchedScripts(namespace);
  scriptRuntimeContract({
    runtime,
    deploy: ({ ref }, bundle) => namespace.deploy(dispatchKey(ref), bundle),
  });

  test("is told the limits of the plan, and the outbound Worker the tenant's egress", async () => {
    const invocation = await invocationOf(ANSWER, { allowedHosts: ["api.example.com"] });
    namespace.deploy(dispatchKey(invocation.ref), ANSWER);
    await runtime.run(invocation, request());
    expect(namespace.dispatched.at(-1)).toEqual({
      name: `local--acme--${invocation.ref.version}`,
      options: {
        limits: { cpuMs: 50, subRequests: 10 },
        outbound: { egress: invocation.egress },
      },
    });
  });

  test.each([
    ["Worker exceeded CPU time limit.", "cpu"],
    ["Worker exceeded memory limit.", "memory"],
    ["Too many subrequests.", "subrequests"],
  ])("what it throws for a limit (%s) is that limit", async (message, limit) => {
    const invocation = await invocationOf(ANSWER);
    namespace.deploy(dispatchKey(invocation.ref), ANSWER);
    namespace.nextThrow = message;
    expect(await runtime.run(invocation, request())).toEqual({ result: "limit_exceeded", limit });
  });
});
