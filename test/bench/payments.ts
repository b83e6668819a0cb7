/** Payments signed before anything is measured. One signature pays at both servers, and once at each ledger. */
import { randomBytes } from "node:crypto";
import { authorizationTypes } from "@x402/evm";
import * as z from "zod";
import { type Hex, hashTypedData } from "viem";
import { generatePrivateKey, privateKeyToAddress, sign } from "viem/accounts";
import { serializeSignature } from "viem";
import type { Target } from "./runtime.ts";
import { ASSET, CHAIN_ID, PAY_TO, PRICE_ATOMIC, TOKEN } from "./offer.ts";

/**
 * A payer's next payment comes after this many others: its last one is answered by then, or the guard against paying
 * twice for one request would answer the new one from the old one.
 */
const PAYERS = 500;

/** Authorizations may be valid for ten minutes at most: the benchmark has to end within that. */
const VALID_SECONDS = 595;

export interface SignedPayload {
  readonly signature: Hex;
  readonly authorization: Readonly<Record<string, string>>;
}

export async function signPayments(count: number): Promise<SignedPayload[]> {
  const payers = Array.from({ length: PAYERS }, () => {
    const privateKey = generatePrivateKey();
    return { privateKey, address: privateKeyToAddress(privateKey) };
  });
  const validBefore = Math.floor(Date.now() / 1_000) + VALID_SECONDS;
  const signed: SignedPayload[] = [];
  while (signed.length < count) {
    for (const payer of payers) signed.push(await signPayment(payer, validBefore));
  }
  return signed.slice(0, count);
}

async function signPayment(
  { privateKey, address }: { readonly privateKey: Hex; readonly address: Hex },
  validBefore: number,
): Promise<SignedPayload> {
  const nonce: Hex = `0x${randomBytes(32).toString("hex")}`;
  const hash = hashTypedData({
    domain: { ...TOKEN, chainId: CHAIN_ID, verifyingContract: ASSET },
    types: authorizationTypes,
    primaryType: "TransferWithAuthorization",
    message: {
      from: address,
      to: PAY_TO,
      value: BigInt(PRICE_ATOMIC),
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce,
    },
  });
  return {
    signature: serializeSignature(await sign({ hash, privateKey })),
    authorization: {
      from: address,
      to: PAY_TO,
      value: PRICE_ATOMIC,
      validAfter: "0",
      validBefore: String(validBefore),
      nonce,
    },
  };
}

const paymentRequiredSchema = z.looseObject({
  resource: z.looseObject({}),
  accepts: z.array(z.looseObject({})).min(1),
});

export function unpaidRequest({ port, path }: Target): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: */*\r\n\r\n`);
}

/** Makes the requests that pay at a target, on the terms it states now: its quote is good for five minutes. */
export async function paidRequests(
  target: Target,
  payloads: readonly SignedPayload[],
): Promise<Buffer[]> {
  const response = await fetch(`http://127.0.0.1:${target.port}${target.path}`);
  const header = response.headers.get("PAYMENT-REQUIRED");
  if (header === null) throw new Error(`no 402 but ${response.status} ${await response.text()}`);
  const { resource, accepts } = paymentRequiredSchema.parse(
    JSON.parse(Buffer.from(header, "base64").toString("utf8")),
  );
  const [accepted] = accepts;
  return payloads.map((payload) => {
    const payment = { x402Version: 2, resource, accepted, payload };
    const value = Buffer.from(JSON.stringify(payment)).toString("base64");
    const head = `GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nAccept: */*`;
    return Buffer.from(`${head}\r\nPAYMENT-SIGNATURE: ${value}\r\n\r\n`);
  });
}
