/**
 * Buys a URL with an unmodified x402 v1 client, as their manuals say: `node pay.js x402-fetch|x402-axios URL`, with the
 * payer's key in PAYER_KEY. Prints what it got as one line of JSON. Runs where this folder's packages are installed.
 */
import { create } from "axios";
import { withPaymentInterceptor } from "x402-axios";
import { createSigner, decodeXPaymentResponse, wrapFetchWithPayment } from "x402-fetch";

const NETWORK = "base-sepolia";
const HEADER = "x-payment-response";

const [client, url] = process.argv.slice(2);
const signer = await createSigner(NETWORK, process.env.PAYER_KEY);

async function payWithFetch() {
  const response = await wrapFetchWithPayment(fetch, signer)(url);
  const { status, headers } = response;
  return { status, settlement: headers.get(HEADER), body: await response.text() };
}

async function payWithAxios() {
  // As text: what is sold is compared byte for byte.
  const instance = create({ transformResponse: parseRefusal });
  const { status, headers, data } = await withPaymentInterceptor(instance, signer).get(url);
  return { status, settlement: headers[HEADER], body: data };
}

/** axios reads JSON by itself; only the 402 is needed as an object. */
function parseRefusal(data, _headers, status) {
  return status === 402 ? JSON.parse(data) : data;
}

const pay = { "x402-fetch": payWithFetch, "x402-axios": payWithAxios }[client];
const { settlement, ...answer } = await pay();
console.log(JSON.stringify({ ...answer, settlement: decodeXPaymentResponse(settlement) }));
