/** A Worker for `test/unit/egress-runtime.test.ts`: code in an isolate of its own, behind the real egress entrypoint. */
import { Egress } from "../../src/runtime/egress/egress.ts";

export { Egress };

const CODE = `
  import { connect } from "cloudflare:sockets";
  export default {
    async fetch(request) {
      const target = await request.text();
      try {
        if (target.startsWith("https:")) {
          const response = await fetch(target);
          return new Response("answered " + response.status);
        }
        const writer = connect(target).writable.getWriter();
        await writer.write(new TextEncoder().encode("hello"));
        return new Response("written");
      } catch {
        return new Response("refused");
      }
    },
  };`;

interface RuntimeEnv {
  readonly LOADER: WorkerLoader;
  readonly INTERNET: Fetcher;
}

export default {
  /** The body is where the code connects to; `/direct` goes to the network binding without any policy. */
  async fetch(request, env, context) {
    const target = await request.text();
    if (new URL(request.url).pathname === "/direct") {
      return env.INTERNET.fetch(target).catch(() => new Response("refused"));
    }
    const exports = context.exports as { Egress: (options: { props: unknown }) => Fetcher };
    const host = URL.parse(target)?.host ?? target;
    const props = { tenantId: "acme", allowedHosts: [host], maxSubrequests: 5, maxBytes: 1_000 };
    const code = env.LOADER.load({
      compatibilityDate: "2026-10-01",
      mainModule: "main.js",
      modules: { "main.js": CODE },
      globalOutbound: exports.Egress({ props }),
    });
    return code.getEntrypoint().fetch("https://code/", { method: "POST", body: target });
  },
} satisfies ExportedHandler<RuntimeEnv>;
