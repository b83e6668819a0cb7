/**
 * Cross-origin access (https://fetch.spec.whatwg.org/#http-cors-protocol). A paid URL is open to every page: what
 * authorises a call is the payment it carries, never a cookie, so no origin has to be told from another.
 */
import {
  PAYMENT_HEADER_V1,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_RESPONSE_HEADER_V1,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment/header-codec.ts";

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const REQUEST_HEADERS = [
  PAYMENT_SIGNATURE_HEADER,
  PAYMENT_HEADER_V1,
  "SIGN-IN-WITH-X",
  "Idempotency-Key",
  "Accept",
  "Accept-Language",
  "Content-Type",
  "If-None-Match",
  // The official clients send the name of this answer's header with their payments.
  "Access-Control-Expose-Headers",
].join(", ");

/** What a page may read beside the few headers it always may. */
const EXPOSED_HEADERS = [
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_RESPONSE_HEADER_V1,
  "Payment-Status",
  "Payment-Id",
  "Payment-Superseded-By",
  "Idempotent-Replayed",
  "Retry-After",
  "Allow",
  "ETag",
  "Link",
].join(", ");

/** A day; browsers cap it at less. */
const MAX_AGE_SECONDS = 86_400;

/** The answer to every OPTIONS: the same for all URLs, so that it tells nothing about what is sold. */
export function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      Allow: METHODS,
      "Access-Control-Allow-Methods": METHODS,
      "Access-Control-Allow-Headers": REQUEST_HEADERS,
      "Access-Control-Max-Age": String(MAX_AGE_SECONDS),
    },
  });
}

/** Lets pages of any origin read an answer; what a handler said about it is replaced. */
export function forAnyOrigin(answer: Response): Response {
  answer.headers.set("Access-Control-Allow-Origin", "*");
  answer.headers.set("Access-Control-Expose-Headers", EXPOSED_HEADERS);
  answer.headers.delete("Access-Control-Allow-Credentials");
  return answer;
}
