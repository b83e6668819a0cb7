/** Payments of x402 v1 for end-to-end tests, made by the official client for servers that know nothing newer. */
import { x402HTTPClient } from "@x402/core/http";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/client";
import { x402Client } from "@x402/fetch";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type Answer, readAnswer } from "./payer.ts";

const V1_NETWORK = "base-sepolia";

/** The official client, with nothing but v1 to pay by. */
export function v1Client(privateKey: Hex): x402Client {
  const scheme = new ExactEvmSchemeV1(privateKeyToAccount(privateKey));
  return new x402Client().registerV1(V1_NETWORK, scheme);
}

/** Signs what the body of a 402 asks for. @returns the X-PAYMENT header, not sent */
export async function signV1(url: string, privateKey: Hex): Promise<string> {
  const http = new x402HTTPClient(v1Client(privateKey));
  const response = await fetch(url);
  const required = http.getPaymentRequiredResponse(() => null, await response.json());
  const headers = http.encodePaymentSignatureHeader(await http.createPaymentPayload(required));
  const header = headers["X-PAYMENT"];
  if (header === undefined) throw new Error("the client made no v1 payment");
  return header;
}

/** Sends exactly this v1 payment header. */
export async function sendV1(
  url: string,
  header: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return await readAnswer(await fetch(url, { headers: { ...headers, "X-PAYMENT": header } }));
}
