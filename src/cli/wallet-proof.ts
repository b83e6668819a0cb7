/** Proves that a wallet is its tenant's own: signs the platform's message with a key in a file, or shows it to be signed. */
import { readFile } from "node:fs/promises";
import { isHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { WalletChallengeResponse, WalletProof } from "../contracts/wallet.ts";
import { CliError } from "./exit-codes.ts";
import type { PlatformApi } from "./platform-api.ts";

export interface WalletProofOptions {
  readonly wallet: string;
  /** File with the private key. */
  readonly walletKey?: string | undefined;
  readonly walletNonce?: string | undefined;
  readonly walletSignature?: string | undefined;
}

/** @throws CliError (usage) that shows the message, when nothing is given to sign it with. */
export async function proveWallet(
  api: PlatformApi,
  tenantId: string,
  options: WalletProofOptions,
): Promise<WalletProof> {
  const { wallet, walletKey, walletNonce: nonce, walletSignature: signature } = options;
  if (nonce !== undefined && signature !== undefined) return { nonce, signature };
  if (nonce !== undefined || signature !== undefined) {
    throw new CliError("usage", "--wallet-nonce and --wallet-signature belong together");
  }
  const account = walletKey === undefined ? null : await accountOf(walletKey);
  if (account !== null && account.address.toLowerCase() !== wallet) {
    throw new CliError("usage", `--wallet-key: is the key of ${account.address}, not of ${wallet}`);
  }
  const challenge = await api.challengeWallet({ tenantId, wallet });
  if (account === null) throw toBeSigned(challenge);
  const { message } = challenge;
  return { nonce: challenge.nonce, signature: await account.signMessage({ message }) };
}

async function accountOf(path: string) {
  const key = (await readFile(path, "utf8").catch(() => "")).trim();
  if (!isHex(key) || key.length !== 66) {
    throw new CliError("usage", `--wallet-key: ${path} has no private key (0x and 64 hex digits)`);
  }
  return privateKeyToAccount(key);
}

function toBeSigned({ message, nonce, expiresAtMs }: WalletChallengeResponse): CliError {
  return new CliError(
    "usage",
    `the wallet has to sign this message (personal_sign), all of it:\n\n${message}\n`,
    `then add --wallet-nonce ${nonce} --wallet-signature 0x…, until ${new Date(expiresAtMs).toISOString()}; or give --wallet-key`,
  );
}
