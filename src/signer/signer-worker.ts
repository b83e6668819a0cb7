/**
 * The signer: a Worker of its own (`wrangler.toml` beside this file), because it holds the seed of all deposit accounts.
 * Only the dispatcher's service binding reaches it.
 */
export { DepositSigner } from "../chain/deposit-signer.ts";

/** A Worker has a default export; this one has no route, so that nobody meets it. */
export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler;
