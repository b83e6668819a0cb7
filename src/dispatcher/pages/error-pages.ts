/** `GET /errors` and `GET /errors/{code}`: what the `type` of a problem document leads to. */
import { type Context, Hono } from "hono";
import { accepts } from "hono/accepts";
import { html } from "hono/html";
import { platformUrl } from "../../payment/platform-url.ts";
import { problem } from "../../payment/problems/problem.ts";
import {
  type Charged,
  type ExplainedCode,
  GUIDED_CODES,
  type NextSend,
  REFUSAL_CODES,
  exampleAnswer,
  explainCode,
} from "../../payment/problems/problem-guide.ts";
import type { JsonObject } from "../../payment/wire.ts";
import { type Html, htmlPage, inlineText } from "./html-page.ts";

/** They change with a deployment of the platform only; an hour lets a correction through the same day. */
const CACHE_CONTROL = "public, max-age=3600";

const CHARGED: Readonly<Record<Charged, string>> = {
  no: "Nothing was charged.",
  yes: "This payment was charged.",
  unknown: "It is not known yet whether this payment was charged. It is charged once at most.",
  depends: "Read `Payment-Status` of the answer: `not-charged`, or `settled`.",
};

const NEXT: Readonly<Record<NextSend, string>> = {
  resend: "Send the request again with the same payment header. Do not sign a new payment.",
  sign: "Sign a new payment, and send the request again with it.",
  fix: "Change the request first.",
  nothing: "Nothing that is sent again changes the answer.",
};

/** One page in the forms it is served in. */
interface Page {
  readonly title: string;
  readonly main: Html;
  readonly markdown: string;
  readonly json: JsonObject;
}

export const errorPages = new Hono<{ Bindings: Env }>();

errorPages.get("/", (context) => {
  const codes = [...GUIDED_CODES, ...REFUSAL_CODES].flatMap((code) => explainCode(code) ?? []);
  return answer(context, listPage(codes));
});

errorPages.get("/:code", (context) => {
  const explained = explainCode(context.req.param("code"));
  return explained === null ? problem("not_found") : answer(context, codePage(explained));
});

function answer(context: Context, page: Page): Promise<Response> | Response {
  const mediaType = accepts(context, {
    header: "Accept",
    supports: ["application/json", "text/html", "text/markdown"],
    default: "application/json",
  });
  const headers = new Headers({ "Cache-Control": CACHE_CONTROL, Vary: "Accept" });
  if (mediaType === "text/html") return htmlPage({ ...page, status: 200, headers });
  const isMarkdown = mediaType === "text/markdown";
  headers.set("Content-Type", isMarkdown ? "text/markdown; charset=utf-8" : mediaType);
  return new Response(isMarkdown ? page.markdown : JSON.stringify(page.json), { headers });
}

function codePage(explained: ExplainedCode): Page {
  const { code, status, title, cause, remedy, payment } = explained;
  const example = exampleAnswer(explained);
  const money =
    payment === undefined
      ? []
      : [
          ["Was anything charged?", CHARGED[payment.charged]] as const,
          ["What to send next", NEXT[payment.next]] as const,
        ];
  const facts = [["Why", cause] as const, ["What to do", remedy] as const, ...money];
  return {
    title: `${code} (${status})`,
    main: html`<p class="kicker">${status} <code>${code}</code></p>
      <h1>${title}</h1>
      <dl>
        ${facts.map(
          ([term, text]) =>
            html`<dt>${term}</dt>
              <dd>${inlineText(text)}</dd>`,
        )}
      </dl>
      <h2>Example</h2>
      <pre><code>${example}</code></pre>
      <p><a href="/errors">All errors</a></p>`,
    markdown: `# ${title}

\`${code}\`, status ${status}

${facts.map(([term, text]) => `**${term}** ${text}`).join("\n\n")}

\`\`\`http
${example}
\`\`\`
`,
    json: {
      ...summary(explained),
      cause,
      remedy,
      example: {
        status,
        headers: { ...explained.example?.headers },
        body: explained.document,
      },
    },
  };
}

function listPage(codes: readonly ExplainedCode[]): Page {
  return {
    title: "Errors",
    main: html`<h1>Errors</h1>
      <p>
        Every answer that is an error has one of these codes. On 409
        <code>payment_in_progress</code> and on 503, send the same payment header again; on 402,
        sign the new quote.
      </p>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">Code</th>
              <th scope="col">Status</th>
              <th scope="col">Meaning</th>
            </tr>
          </thead>
          <tbody>
            ${codes.map(
              ({ code, status, title }) =>
                html`<tr>
                  <td>
                    <a href="/errors/${code}"><code>${code}</code></a>
                  </td>
                  <td>${status}</td>
                  <td>${title}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`,
    markdown: `# Errors

${codes.map(({ code, status, title }) => `- [\`${code}\`](/errors/${code}) ${status}: ${title}`).join("\n")}
`,
    json: { errors: codes.map(summary) },
  };
}

function summary({ code, status, title, payment }: ExplainedCode): JsonObject {
  return {
    type: platformUrl(`/errors/${code}`),
    code,
    status,
    title,
    ...(payment === undefined ? {} : { charged: payment.charged, sendNext: payment.next }),
  };
}
