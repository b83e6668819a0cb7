/** A facilitator of `exact` on Solana that agrees with every transaction whose fee it is to pay. There is no chain. */
import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";
import { toBase58 } from "../../src/payment/base58.ts";
import { readSvmTransfer } from "../../src/payment/svm-transaction.ts";
import { SOLANA_DEVNET, randomSolanaAddress } from "./svm-payer.ts";

const callSchema = z.object({
  paymentPayload: z.object({ payload: z.object({ transaction: z.string() }) }),
  paymentRequirements: z.object({ network: z.string(), extra: z.object({ feePayer: z.string() }) }),
});

export class SvmFacilitator {
  readonly feePayer = randomSolanaAddress();
  /** Endpoints that were called with a payment, in order. */
  readonly calls: string[] = [];
  /** Settles, and loses the answer. */
  isForgetful = false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  static async start(): Promise<SvmFacilitator> {
    const facilitator = new SvmFacilitator();
    facilitator.#server.listen(0, "127.0.0.1");
    await once(facilitator.#server, "listening");
    return facilitator;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = await this.#answer(request);
    response.statusCode = reply === null ? 502 : 200;
    response.setHeader("Content-Type", "application/json");
    response.end(reply === null ? "Bad Gateway" : JSON.stringify(reply));
  }

  async #answer(request: IncomingMessage): Promise<object | null> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const extra = { feePayer: this.feePayer };
    if (request.url === "/supported") {
      const kind = { x402Version: 2, scheme: "exact", network: SOLANA_DEVNET, extra };
      return { kinds: [kind], extensions: [], signers: { "solana:*": [this.feePayer] } };
    }
    const { paymentPayload, paymentRequirements } = callSchema.parse(JSON.parse(body));
    this.calls.push(request.url ?? "");
    const transfer = readSvmTransfer(paymentPayload.payload.transaction);
    const isOwn =
      transfer?.feePayer === this.feePayer && paymentRequirements.extra.feePayer === this.feePayer;
    const payer = transfer?.authority;
    const { network } = paymentRequirements;
    if (request.url === "/verify") {
      const invalidReason = "invalid_exact_svm_fee_payer_not_managed_by_facilitator";
      return isOwn ? { isValid: true, payer } : { isValid: false, invalidReason };
    }
    if (this.isForgetful) return null;
    const transaction = toBase58(crypto.getRandomValues(new Uint8Array(64)));
    return { success: isOwn, transaction: isOwn ? transaction : "", network, payer };
  }
}
