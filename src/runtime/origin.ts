/**
 * Sells an existing HTTP API: the caller's request goes to the tenant's own server, whose answer is what is paid for.
 * Redirects are not followed, because the next host is not the one that was deployed; a 3xx is simply not charged.
 */
import type { OriginHandlerDefinition } from "../contracts/snapshot.ts";
import type { Handler } from "./handler.ts";

/** What the origin needs to know about the caller's request; everything else stays here. */
const FORWARDED_HEADERS = ["accept", "accept-language", "content-type", "user-agent"] as const;

export function originHandler({ url }: OriginHandlerDefinition): Handler {
  return {
    async run(request, { paymentId, payer, idempotencyKey }) {
      const target = new URL(url);
      target.search = new URL(request.url).search;
      const headers = new Headers({
        "Payment-Id": paymentId,
        "Payment-Payer": payer,
        "Idempotency-Key": idempotencyKey,
      });
      for (const name of FORWARDED_HEADERS) {
        const value = request.headers.get(name);
        if (value !== null) headers.set(name, value);
      }
      return await fetch(target, {
        method: request.method,
        headers,
        body: request.body === null ? null : await request.arrayBuffer(),
        redirect: "manual",
        signal: request.signal,
      });
    },
  };
}
