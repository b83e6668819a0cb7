/**
 * Direct collection needs a proof that the wallet is the tenant's own: `POST /v1/tenants/wallet-challenges` gives the
 * message that the wallet signs, and `POST /v1/tenants` takes the signature.
 */
import { Hono } from "hono";
import { type PlatformConfig, configOf } from "../config.ts";
import {
  type WalletChallengeResponse,
  type WalletProof,
  walletChallengeRequestSchema,
} from "../contracts/wallet.ts";
import { problem } from "../payment/problems/problem.ts";
import type { NewTenant } from "../tenant/directory/create-tenant.ts";
import {
  insertChallenge,
  readChallenge,
  takeChallenge,
} from "../tenant/directory/wallet-challenges.ts";
import {
  type ProofPlatform,
  WALLET_CHALLENGE_MS,
  isSignedByWallet,
  walletProofMessage,
} from "../tenant/wallet-proof.ts";
import { networkOfNewTenants } from "./network.ts";
import { limitBody, parseJsonBody, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireOperator } from "./require-operator.ts";

export const walletChallenges = new Hono<{ Bindings: Env }>();

walletChallenges.post("/", requireOperator, limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody(await context.req.text(), walletChallengeRequestSchema);
  if (!parsed.ok) return parsed.response;
  const issuedAtMs = Date.now();
  const challenge = {
    ...parsed.value,
    nonce: crypto.randomUUID().replaceAll("-", ""),
    issuedAtMs,
    expiresAtMs: issuedAtMs + WALLET_CHALLENGE_MS,
  };
  await insertChallenge(context.env.DB, challenge);
  const answer: WalletChallengeResponse = {
    message: walletProofMessage(challenge, proofPlatformOf(configOf(context.env))),
    nonce: challenge.nonce,
    expiresAtMs: challenge.expiresAtMs,
  };
  return context.json(answer, 201);
});

/** The answer to a tenant whose wallet is not proved to be its own; null when it is. Uses the proof up. */
export async function refuseUnproved(
  env: Env,
  { tenantId, wallet }: Pick<NewTenant, "tenantId" | "wallet">,
  proof: WalletProof,
): Promise<Response | null> {
  const challenge = await readChallenge(env.DB, { ...proof, tenantId, wallet }, Date.now());
  if (challenge === null) {
    return problem("wallet_proof_invalid", {
      detail: "This message is expired, used, or of another tenant or wallet: ask for another.",
    });
  }
  const config = configOf(env);
  const message = walletProofMessage(challenge, proofPlatformOf(config));
  const network = networkOfNewTenants(config);
  const signed = await isSignedByWallet(message, wallet, proof.signature, network);
  if (signed !== "signed") {
    return problem("wallet_proof_invalid", {
      detail:
        signed === "unavailable"
          ? "It is no signature by the wallet's key, and the chain can't be asked about a contract now."
          : `The message of nonce ${challenge.nonce} is not signed by ${wallet}.`,
    });
  }
  if (await takeChallenge(env.DB, challenge.nonce)) return null;
  return problem("wallet_proof_invalid", { detail: "This message was used just now." });
}

function proofPlatformOf(config: PlatformConfig): ProofPlatform {
  const { baseDomain, environment } = config;
  return { baseDomain, environment, network: networkOfNewTenants(config).caip2 };
}
