/**
 * `exact` on Solana: the payer signs a transaction that moves the price, and whose fee the quoted facilitator pays
 * (scheme_exact_svm.md). Only that one can complete it, so it is bound; what the network uses up is the transaction.
 */
import * as z from "zod";
import { fromBase58 } from "../base58.ts";
import { sha256Bytes, sha256Hex } from "../hash.ts";
import { SOLANA_NAMESPACE } from "../networks.ts";
import type { DecodedPayload, PayloadContext, Scheme } from "../scheme.ts";
import { type SvmTransfer, readSvmTransfer } from "../svm-transaction.ts";

/** How long facilitators remember a transaction: its blockhash is forgotten before that, after 150 slots. */
const LIFETIME_MS = 120_000;

const ASSOCIATED_TOKEN_PROGRAM = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const KEY_BYTES = 32;

const payloadSchema = z.object({ transaction: z.string() });

export const exactSvm: Scheme = {
  name: "exact",
  namespace: SOLANA_NAMESPACE,
  transferMethod: null,
  isFacilitatorBound: true,
  amountIs: "exact",
  evidence: "none",
  // v1 does not say back which facilitator was quoted.
  isInV1: false,
  decode,
  identity: (network, _, { nonce }) => `svm:${network}:${nonce}`,
  refuse({ payload, value }, { asset, amountAtomic, payTo, facilitatorExtra }) {
    const transfer = transferOf(payload);
    if (transfer === null || transfer.mint !== asset.address) return "offer_not_matched";
    if (transfer.feePayer !== facilitatorExtra["feePayer"]) return "offer_not_matched";
    if (value !== amountAtomic) return "amount_mismatch";
    return isAccountOf(payTo, transfer) ? null : "recipient_mismatch";
  },
  offerExtra: (_, facilitatorExtra) => ({ ...facilitatorExtra }),
};

function decode(
  payload: Readonly<Record<string, unknown>>,
  { payTo, nowMs }: PayloadContext,
): DecodedPayload {
  const transfer = transferOf(payload);
  if (transfer === null) {
    const problem = "transaction must be a signed transfer of one token, as scheme exact has it";
    return { ok: false, problem };
  }
  const { transaction } = payloadSchema.parse(payload);
  return {
    ok: true,
    signed: {
      from: transfer.authority,
      to: payTo ?? transfer.destination,
      value: transfer.amountAtomic,
      validAfterMs: 0,
      validBeforeMs: nowMs + LIFETIME_MS,
      nonce: sha256Hex(transfer.message),
      signature: transaction,
      payload: { transaction },
    },
  };
}

function transferOf(payload: Readonly<Record<string, unknown>>): SvmTransfer | null {
  const parsed = payloadSchema.safeParse(payload);
  return parsed.success ? readSvmTransfer(parsed.data.transaction) : null;
}

/**
 * Whether tokens go to the owner's associated account. Its address is a hash with the highest number for which it is no
 * key; which one that is takes arithmetic on the curve, and any of them is the owner's and nobody else's.
 */
function isAccountOf(owner: string, { mint, tokenProgram, destination }: SvmTransfer): boolean {
  const [ownerKey, programKey, mintKey, associatedKey] = [
    owner,
    tokenProgram,
    mint,
    ASSOCIATED_TOKEN_PROGRAM,
  ].map((key) => fromBase58(key, KEY_BYTES));
  const expected = fromBase58(destination, KEY_BYTES);
  if (!ownerKey || !programKey || !mintKey || !associatedKey || !expected) return false;
  const suffix = new TextEncoder().encode("ProgramDerivedAddress");
  for (let bump = 255; bump >= 0; bump -= 1) {
    const seeds = [ownerKey, programKey, mintKey, [bump], associatedKey, suffix];
    const address = sha256Bytes(Uint8Array.from(seeds.flatMap((part) => [...part])));
    if (address.every((byte, index) => byte === expected[index])) return true;
  }
  return false;
}
