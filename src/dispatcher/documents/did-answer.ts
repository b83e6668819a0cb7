import type { PlatformConfig } from "../../config.ts";
import { didDocument, signingKeyOf } from "../../payment/extensions/signing-key.ts";

/** Where `did:web` looks for the keys that speak for a host (https://w3c-ccg.github.io/did-method-web/). */
export const DID_PATH = "/.well-known/did.json";

/** Which key signs offers and receipts for what this host sells. */
export function didAnswer({ host }: URL, { quoteSecret }: PlatformConfig): Response {
  return Response.json(didDocument(host, signingKeyOf(quoteSecret)), {
    headers: {
      "Content-Type": "application/did+json",
      "Cache-Control": "public, max-age=300",
      "Access-Control-Allow-Origin": "*",
    },
  });
}
