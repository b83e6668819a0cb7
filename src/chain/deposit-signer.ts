import { WorkerEntrypoint } from "cloudflare:workers";
import { ConfigError } from "../config-source.ts";
import { parseNetworks } from "../config.ts";
import type { Authorization } from "../settlement/authorization.ts";
import { type TenantRecord, readTenant } from "../tenant/directory/tenants.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import { type DepositAccount, deriveDepositAccount, parseDepositSeed } from "./deposit-account.ts";
import { evmChainReader } from "./evm-chain-reader.ts";
import { payoutNonce, refundNonce, signAuthorization } from "./payout-authorization.ts";
import {
  type PayoutSigningRequest,
  type RefundSigningRequest,
  type SigningContext,
  type SigningRefusal,
  payoutRefusal,
  payoutSigningRequestSchema,
  refundRefusal,
  refundSigningRequestSchema,
} from "./payout-policy.ts";
import type { NamedLog, NamedTransfer } from "./port.ts";

/** All it knows: no token, no key of tenants, no facilitator. Of the database it reads tenants. */
export interface SignerEnv {
  readonly ENVIRONMENT: string;
  readonly NETWORKS: string;
  readonly DEPOSIT_SEED: string;
  readonly DB: D1Database;
}

export type SigningReply =
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
 * signed is decided here, by the directory and the chain and not by the caller. It has no route: only service bindings reach it.
 *
 * Refusals are answers. All methods throw a ConfigError when the seed is missing or malformed.
 */
export class DepositSigner extends WorkerEntrypoint<SignerEnv> {
  /** The account that receives a tenant's payments, lower-case hex. @param serial the tenant's number, from 1 */
  async depositAddress(serial: number): Promise<string> {
    const { address } = await this.#account(serial);
    return address;
  }

  /** Signs a payout to the tenant's own wallet. Asked again, it gives the same bytes. */
  async signPayout(request: PayoutSigningRequest): Promise<SigningReply> {
    const parsed = payoutSigningRequestSchema.safeParse(request);
    if (!parsed.success) return refused("malformed_request");
    const payout = parsed.data;
    const account = await this.#account(payout.serial);
    const record = await this.#tenant(payout.tenantId);
    if (record === "unavailable") return refused("directory_unavailable");
    const reason = payoutRefusal(payout, record, contextOf(account));
    if (reason !== null) return refused(reason);
    return this.#sign(payout, account, payout.wallet, payoutNonce(payout.payoutId));
  }

  /** Signs that a transfer is given back to its sender, after asking the chain for it. Gives the same bytes again. */
  async signRefund(request: RefundSigningRequest): Promise<SigningReply> {
    const parsed = refundSigningRequestSchema.safeParse(request);
    if (!parsed.success) return refused("malformed_request");
    const refund = parsed.data;
    const record = await this.#tenant(refund.tenantId);
    if (record === "unavailable") return refused("directory_unavailable");
    if (record === null) return refused("unknown_tenant");
    const account = await this.#account(record.serial);
    const { network, transaction, logIndex } = refund;
    const log = { asset: refund.asset.address, payee: account.address, transaction, logIndex };
    const named = await this.#transfer(network, log);
    const reason = refundRefusal(refund, record, named, contextOf(account));
    if (reason !== null) return refused(reason);
    return this.#sign(refund, account, refund.payer, refundNonce(network, transaction, logIndex));
  }

  async #sign(
    transfer: Omit<PayoutSigningRequest, "serial" | "payoutId" | "wallet">,
    account: DepositAccount,
    payee: string,
    nonce: string,
  ): Promise<SigningReply> {
    const authorization: Authorization = {
      network: transfer.network,
      asset: transfer.asset.address,
      payer: account.address,
      payee,
      amountAtomic: transfer.amountAtomic,
      nonce,
      validAfterMs: transfer.validAfterMs,
      validBeforeMs: transfer.validBeforeMs,
    };
    const signature = await signAuthorization(authorization, transfer.asset, account.privateKey);
    return { result: "signed", from: account.address, nonce, signature };
  }

  async #tenant(tenantId: TenantId): Promise<TenantRecord | null | "unavailable"> {
    try {
      return await readTenant(this.env.DB, tenantId);
    } catch {
      return "unavailable";
    }
  }

  async #transfer(caip2: string, log: NamedLog): Promise<NamedTransfer> {
    const network = parseNetworks(this.env).find((each) => each.caip2 === caip2);
    if (network === undefined || network.rpcUrl === null) return { found: "unavailable" };
    return evmChainReader(network, network.rpcUrl).namedTransfer(log);
  }

  async #account(serial: number): Promise<DepositAccount> {
    const seed = parseDepositSeed(this.env.DEPOSIT_SEED);
    if (seed === null) {
      throw new ConfigError("DEPOSIT_SEED", "must be 0x and 64 hexadecimal digits (32 bytes)");
    }
    return await deriveDepositAccount(seed, this.env.ENVIRONMENT, serial);
  }
}

function contextOf({ address }: DepositAccount): SigningContext {
  return { depositAddress: address, nowMs: Date.now() };
}

function refused(reason: SigningRefusal): SigningReply {
  return { result: "refused", reason };
}
