import { WorkerEntrypoint } from "cloudflare:workers";
import { ConfigError } from "../config.ts";
import type { Authorization } from "../settlement/authorization.ts";
import { readTenant } from "../tenant/directory/tenants.ts";
import { type DepositAccount, deriveDepositAccount, parseDepositSeed } from "./deposit-account.ts";
import { payoutNonce, signAuthorization } from "./payout-authorization.ts";
import {
  type PayoutDirectoryRecord,
  type PayoutSigningRequest,
  type SigningRefusal,
  payoutRefusal,
  payoutSigningRequestSchema,
} from "./payout-policy.ts";

export type SignPayoutReply =
  | {
      readonly result: "signed";
      /** The deposit account, lower-case hex. */
      readonly from: string;
      readonly nonce: string;
      readonly signature: string;
    }
  | { readonly result: "refused"; readonly reason: SigningRefusal };

/**
 * Holds the keys of the deposit accounts: the only code that reads the seed, and it tells nobody a key. What is
 * signed is decided here, by the directory and not by the caller. It has no route: only service bindings reach it.
 *
 * Refusals are answers. Both methods throw a ConfigError when the seed is missing or malformed.
 */
export class DepositSigner extends WorkerEntrypoint<Env> {
  /** The account that receives a tenant's payments, lower-case hex. @param serial the tenant's number, from 1 */
  async depositAddress(serial: number): Promise<string> {
    const { address } = await this.#account(serial);
    return address;
  }

  /** Signs a payout to the tenant's own wallet. Asked again, it gives the same bytes. */
  async signPayout(request: PayoutSigningRequest): Promise<SignPayoutReply> {
    const parsed = payoutSigningRequestSchema.safeParse(request);
    if (!parsed.success) return { result: "refused", reason: "malformed_request" };
    const payout = parsed.data;
    const account = await this.#account(payout.serial);
    let record: PayoutDirectoryRecord | null;
    try {
      record = await readTenant(this.env.DB, payout.tenantId);
    } catch {
      return { result: "refused", reason: "directory_unavailable" };
    }
    const reason = payoutRefusal(payout, record, {
      depositAddress: account.address,
      nowMs: Date.now(),
    });
    if (reason !== null) return { result: "refused", reason };
    const authorization: Authorization = {
      network: payout.network,
      asset: payout.asset.address,
      payer: account.address,
      payee: payout.wallet,
      amountAtomic: payout.amountAtomic,
      nonce: payoutNonce(payout.payoutId),
      validAfterMs: payout.validAfterMs,
      validBeforeMs: payout.validBeforeMs,
    };
    const signature = await signAuthorization(authorization, payout.asset, account.privateKey);
    return { result: "signed", from: account.address, nonce: authorization.nonce, signature };
  }

  async #account(serial: number): Promise<DepositAccount> {
    const seed = parseDepositSeed(this.env.DEPOSIT_SEED);
    if (seed === null) {
      throw new ConfigError("DEPOSIT_SEED", "must be 0x and 64 hexadecimal digits (32 bytes)");
    }
    return await deriveDepositAccount(seed, this.env.ENVIRONMENT, serial);
  }
}
