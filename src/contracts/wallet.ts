/** Bodies about tenants' wallets: the proof of one (`POST /v1/tenants`), and its change (`/v1/wallet`). */
import * as z from "zod";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { addressSchema } from "./address.ts";
import { collectionSchema } from "./snapshot.ts";

export const walletChallengeRequestSchema = z.strictObject({
  tenantId: tenantIdSchema,
  wallet: addressSchema,
});

export const walletChallengeResponseSchema = z.object({
  /** To be signed as it is, by `personal_sign`. */
  message: z.string(),
  nonce: z.string(),
  expiresAtMs: z.number().int(),
});
export type WalletChallengeResponse = z.infer<typeof walletChallengeResponseSchema>;

export const walletProofSchema = z.strictObject({
  /** Of the message that was signed. */
  nonce: z.string().regex(/^[a-z0-9]{8,64}$/, "must be the nonce of the message"),
  /** 65 bytes of a key, or what a contract wallet wants to see. */
  signature: z
    .string()
    .regex(/^0x(?:[0-9a-fA-F]{2}){65,2048}$/, "must be a signature: 0x and hexadecimal digits"),
});
export type WalletProof = z.infer<typeof walletProofSchema>;

export const changeWalletRequestSchema = z.strictObject({ wallet: addressSchema });

export const walletViewSchema = z.object({
  collection: collectionSchema,
  /** Where payouts go now; for direct collection where payments arrive. */
  wallet: z.string(),
  /** The wallet that takes its place, and from when on; null when none does. */
  pending: z
    .object({
      wallet: z.string(),
      requestedAtMs: z.number().int(),
      effectiveAtMs: z.number().int(),
    })
    .nullable(),
});
export type WalletView = z.infer<typeof walletViewSchema>;
