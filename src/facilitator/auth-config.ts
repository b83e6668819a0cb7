/** How we prove to a facilitator who we are, as it is configured and as it is used. */
import * as z from "zod";
import { ConfigError, readSecret, secretNameSchema } from "../config-source.ts";
import { type CdpKey, cdpKeyProblem } from "./cdp-key.ts";

export const authSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  z.strictObject({
    type: z.literal("bearer"),
    /** Name of the Worker secret that holds the token. */
    secret: secretNameSchema,
  }),
  z.strictObject({
    type: z.literal("cdp"),
    /** Names of the Worker secrets that hold the API key's id and the key itself. */
    keyId: secretNameSchema,
    secret: secretNameSchema,
  }),
]);

/** With the secrets themselves in place of their names. */
export type FacilitatorAuth =
  | { readonly type: "none" }
  | { readonly type: "bearer"; readonly token: string }
  | ({ readonly type: "cdp" } & CdpKey);

/**
 * Reads the secrets that are named.
 * @throws ConfigError when one is missing, or is no key that a token can be signed with.
 */
export function resolveAuth(
  auth: z.infer<typeof authSchema>,
  facilitatorId: string,
  source: object,
): FacilitatorAuth {
  const read = (name: string) => readSecret(source, "FACILITATORS", name, facilitatorId);
  switch (auth.type) {
    case "none":
      return auth;
    case "bearer":
      return { type: "bearer", token: read(auth.secret) };
    case "cdp": {
      const key: CdpKey = { keyId: read(auth.keyId), secret: read(auth.secret) };
      const problem = cdpKeyProblem(key.secret);
      if (problem === null) return { type: "cdp", ...key };
      throw new ConfigError(
        "FACILITATORS",
        `${facilitatorId}: the secret ${auth.secret} ${problem}`,
      );
    }
    default:
      return auth satisfies never;
  }
}
