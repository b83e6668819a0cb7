// The package's entry for this also exports an axios plug-in; the bundler drops it, as only this name is used.
import { generateJwt } from "@coinbase/cdp-sdk/auth";
import type { FacilitatorConfig } from "../config.ts";

/** A token is for one call, which is made now: long enough for clocks that differ. */
const CDP_TOKEN_SECONDS = 120;

/** What proves to a facilitator who calls. A `cdp` token is good for this method, host and path only. */
export async function authHeaders(
  { auth }: Pick<FacilitatorConfig, "auth">,
  request: { readonly method: "GET" | "POST"; readonly url: string },
): Promise<Readonly<Record<string, string>>> {
  switch (auth.type) {
    case "none":
      return {};
    case "bearer":
      return { Authorization: `Bearer ${auth.token}` };
    case "cdp": {
      const { host, pathname } = new URL(request.url);
      const token = await generateJwt({
        apiKeyId: auth.keyId,
        apiKeySecret: auth.secret,
        requestMethod: request.method,
        requestHost: host,
        requestPath: pathname,
        expiresIn: CDP_TOKEN_SECONDS,
      });
      return { Authorization: `Bearer ${token}` };
    }
    default:
      return auth satisfies never;
  }
}
