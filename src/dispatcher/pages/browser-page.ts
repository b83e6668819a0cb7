/**
 * The page for a person who opens a paid URL: what is sold, what it costs and how to pay. Status and headers stay
 * those of the 402; only the body differs. All that tenants wrote is shown as text.
 */
import { html } from "hono/html";
import { type RouteParameter, routeSchema } from "../../dataset/route-schema.ts";
import { v1NetworkName } from "../../payment/networks.ts";
import type { Offer } from "../../payment/offer.ts";
import { platformUrl } from "../../payment/platform-url.ts";
import { atomicToPrice } from "../../tenant/price.ts";
import { apiUrl } from "../documents/api-documents.ts";
import { type Html, htmlPage, inlineText } from "./html-page.ts";
import type { PaidRoute } from "../paid-route.ts";

/** A longer list is folded up at first. */
const UNFOLDED_PARAMETERS_MAX = 12;

/** Whether a person is looking: the rule of the official server packages, so that clients are told apart alike. */
export function isWebBrowser(headers: Headers): boolean {
  const accept = headers.get("Accept") ?? "";
  const userAgent = headers.get("User-Agent") ?? "";
  return accept.includes("text/html") && userAgent.includes("Mozilla");
}

/**
 * @param unpaid the answer a program would get
 * @param url that was asked for
 * @param path of it below the tenant
 */
export async function browserPage(
  unpaid: Response,
  paid: PaidRoute,
  { url, path }: { readonly url: URL; readonly path: string },
): Promise<Response> {
  // Something else went wrong, which the page has no words for.
  if (unpaid.status !== 402) return unpaid;
  await unpaid.body?.cancel();
  const { description } = paid.route;
  const price = priceOf(paid.offers[0]);
  const headers = new Headers(unpaid.headers);
  headers.append("Vary", "Accept, User-Agent");
  return await htmlPage({
    title: `${description}: ${price} a call`,
    main: html`<p class="kicker">
        A paid API of <bdi>${paid.snapshot.tenantId}</bdi>,
        <code>${paid.route.methods.join(", ")} ${path}</code>
      </p>
      <h1><bdi>${description}</bdi></h1>
      <p class="price">${price} a call</p>
      <p>
        Programs pay for each call by x402, the payment protocol of HTTP status 402. Nothing was
        charged for this page.
      </p>
      ${offersTable(paid.offers)} ${howToPay(paid)} ${parametersOf(paid)}
      ${links(apiUrl(url, path))}`,
    status: 402,
    headers,
  });
}

/** Of a metered route, the most it can be. */
function priceOf({ amountAtomic, asset, scheme }: Offer): string {
  const price = atomicToPrice(amountAtomic, asset.decimals);
  return scheme.name === "upto" ? `at most ${price}` : price;
}

function offersTable(offers: readonly Offer[]): Html {
  return html`<h2>Ways to pay</h2>
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">Price</th>
            <th scope="col">Token</th>
            <th scope="col">Network</th>
          </tr>
        </thead>
        <tbody>
          ${offers.map(
            (offer) =>
              html`<tr>
                <td>${priceOf(offer)}</td>
                <td>${offer.asset.name} <code class="address">${offer.asset.address}</code></td>
                <td>
                  ${v1NetworkName(offer.network.caip2) ?? ""} <code>${offer.network.caip2}</code>
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function howToPay({ offers, route, resource }: PaidRoute): Html {
  const [{ amountAtomic, asset }] = offers;
  const [method = "GET"] = route.methods;
  const command = [
    "claw call",
    ...(method === "GET" ? [] : [`-X ${method}`]),
    shellQuote(resource.url),
    `--max-price ${atomicToPrice(amountAtomic, asset.decimals).slice("$".length)}`,
  ].join(" ");
  const isEvm = offers.some(
    ({ network, scheme }) => network.caip2.startsWith("eip155:") && scheme.name === "exact",
  );
  return html`<h2>Pay with one command</h2>
    <p>With the private key of the wallet that pays in <code>CLAW_PAYER_KEY</code>:</p>
    <pre><code>${command}</code></pre>
    ${isEvm ? fromAProgram(resource.url, method) : ""}`;
}

/** What a URL may hold (`$`, a backtick) must not run in the shell of whoever copies the command. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function fromAProgram(url: string, method: string): Html {
  const request =
    method === "GET"
      ? JSON.stringify(url)
      : `${JSON.stringify(url)}, { method: ${JSON.stringify(method)} }`;
  const code = `import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { privateKeyToAccount } from "viem/accounts";

const account = privateKeyToAccount(process.env.CLAW_PAYER_KEY);
const client = new x402Client().register("eip155:*", new ExactEvmScheme(account));
const response = await wrapFetchWithPayment(fetch, client)(${request});
console.log(response.status, await response.text());`;
  return html`<h2>Or from a program</h2>
    <pre><code>${code}</code></pre>`;
}

function parametersOf({ route }: PaidRoute): Html {
  const [method = "GET"] = route.methods;
  const { parameters, mediaTypes } = routeSchema(route, method);
  const answers = html`<h2>What it answers</h2>
    <p>
      ${mediaTypes.map((mediaType, index) => html`${index === 0 ? "" : ", "}<code>${mediaType}</code>`)}
    </p>`;
  if (parameters.length === 0) return answers;
  const table = html`<summary>${parameters.length} parameters</summary>
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Meaning</th>
            <th scope="col">For example</th>
          </tr>
        </thead>
        <tbody>
          ${parameters.map(parameterRow)}
        </tbody>
      </table>
    </div>`;
  return parameters.length > UNFOLDED_PARAMETERS_MAX
    ? html`${answers}
        <details>${table}</details>`
    : html`${answers}
        <details open>${table}</details>`;
}

function parameterRow({ name, in: place, description, example }: RouteParameter): Html {
  const written = place === "path" ? example : `${name}=${example}`;
  return html`<tr>
    <td><code>${name}</code></td>
    <td><bdi>${inlineText(description)}</bdi></td>
    <td>${example === undefined ? "" : html`<code>${written}</code>`}</td>
  </tr>`;
}

function links(api: string): Html {
  return html`<h2>Read on</h2>
    <ul>
      <li><a href="${api}/openapi.json">openapi.json</a>: all that this API sells</li>
      <li><a href="${api}/schema">schema</a>: columns of its datasets</li>
      <li><a href="${api}/sample">sample</a>: a few rows, free</li>
      <li>
        <a href="${platformUrl("/errors/payment_required")}">Status 402</a> and
        <a href="${platformUrl("/errors")}">all other errors</a>
      </li>
    </ul>`;
}
