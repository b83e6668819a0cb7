/** The shell of the pages that people see: no scripts, nothing loaded, and everything in it is escaped. */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** What `html` of hono makes: text in it is escaped. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

export interface HtmlPage {
  readonly title: string;
  /** Inside `<main>`, with the page's only `<h1>`. */
  readonly main: Html;
  readonly status: number;
  readonly headers: Headers;
}

const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --ground: #fff; --panel: #f4f5f7;
  --line: #d4d8dd; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #a3acb6; --ground: #14171a;
  --panel: #1f2429; --line: #3a424b; --link: #7cb8ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.55 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .25rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.kicker { color: var(--soft); margin: 0; }
.price { font-size: 1.25rem; font-weight: 600; }
a { color: var(--link); }
code, pre { font: .9em/1.5 ui-monospace, monospace; background: var(--panel); border-radius: .25rem; }
code { padding: .1em .3em; }
pre { padding: .75rem 1rem; border: 1px solid var(--line); white-space: pre-wrap; }
pre code { padding: 0; background: none; font-size: 1em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
.address { word-break: break-all; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin: 0; }
`;

/**
 * Nothing but the one style sheet, known by its hash, may take effect; in a sandbox of its own, a page that shows what
 * tenants wrote has no origin whose data it could touch.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "sandbox allow-popups allow-popups-to-escape-sandbox",
].join("; ");

export async function htmlPage({ title, main, status, headers }: HtmlPage): Promise<Response> {
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>${main}</main>
      </body>
    </html> `;
  const all = new Headers(headers);
  all.set("Content-Type", "text/html; charset=utf-8");
  all.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
  all.set("Referrer-Policy", "no-referrer");
  all.set("X-Content-Type-Options", "nosniff");
  return new Response(page.toString(), { status, headers: all });
}

/** Text with `code` in backticks and **strong** words, as the guides to errors have it. */
export function inlineText(text: string): readonly (Html | string)[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return html`<code>${part.slice(1, -1)}</code>`;
    return part.startsWith("**") ? html`<strong>${part.slice(2, -2)}</strong>` : part;
  });
}
