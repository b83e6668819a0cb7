/** The proof that a wallet belongs to whoever becomes a tenant: a message that names both, signed by the wallet. */
import { getAddress, hashMessage, recoverMessageAddress } from "viem";
import { createSiweMessage } from "viem/siwe";
import { contractSigned } from "../chain/contract-signature.ts";
import { evmChainId } from "../chain/eip3009.ts";
import { asHex } from "../chain/hex.ts";
import type { NetworkConfig } from "../config.ts";
import type { TenantId } from "./tenant-id.ts";

/** Long enough to find the hardware wallet, and to sign with several people. */
export const WALLET_CHALLENGE_MS = 30 * 60_000;

/** What the message is about. */
export interface WalletChallenge {
  /** Random; good for one tenant. */
  readonly nonce: string;
  readonly tenantId: TenantId;
  /** Lower-case hex. */
  readonly wallet: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export interface ProofPlatform {
  readonly baseDomain: string;
  readonly environment: string;
  /** CAIP-2 of the network that the tenant sells on. */
  readonly network: string;
}

/** The message to sign (EIP-4361, which wallets show in a readable way): for this platform, tenant, wallet and time. */
export function walletProofMessage(challenge: WalletChallenge, platform: ProofPlatform): string {
  const { nonce, tenantId, wallet, issuedAtMs, expiresAtMs } = challenge;
  return createSiweMessage({
    domain: platform.baseDomain,
    uri: `https://${platform.baseDomain}/t/${tenantId}`,
    address: getAddress(wallet),
    statement: `Receive the payments of the tenant ${tenantId} (${platform.environment}) in this wallet.`,
    version: "1",
    chainId: evmChainId(platform.network),
    nonce,
    issuedAt: new Date(issuedAtMs),
    expirationTime: new Date(expiresAtMs),
  });
}

/**
 * Whether the wallet signed the message: with its key (EIP-191), or as a contract, which the chain is asked about.
 */
export async function isSignedByWallet(
  message: string,
  wallet: string,
  signature: string,
  network: NetworkConfig,
): Promise<"signed" | "not_signed" | "unavailable"> {
  if (await isSignedByKey(message, wallet, signature)) return "signed";
  if (network.rpcUrl === null) return "not_signed";
  return await contractSigned(network.caip2, network.rpcUrl, {
    wallet,
    hash: hashMessage(message),
    signature: asHex(signature),
  });
}

async function isSignedByKey(message: string, wallet: string, signature: string): Promise<boolean> {
  try {
    const signer = await recoverMessageAddress({ message, signature: asHex(signature) });
    return signer.toLowerCase() === wallet;
  } catch {
    // Not 65 bytes, or no point of the curve: a contract may take it.
    return false;
  }
}
