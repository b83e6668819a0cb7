/** A payer on Solana: the official client, and of a node the one answer that it needs. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { generateKeyPairSigner } from "@solana/kit";
import type { PaymentRequirements } from "@x402/core/types";
import { ExactSvmScheme } from "@x402/svm/exact/client";
import { toBase58 } from "../../src/payment/base58.ts";

export const SOLANA_DEVNET = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
export const SOLANA_USDC = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

/** A key that nobody has. */
export function randomSolanaAddress(): string {
  return toBase58(crypto.getRandomValues(new Uint8Array(32)));
}

/** Stop it after the tests. */
export class SvmPayer {
  readonly address: string;
  readonly scheme: ExactSvmScheme;
  readonly stop: () => Promise<void>;

  private constructor(address: string, scheme: ExactSvmScheme, stop: () => Promise<void>) {
    this.address = address;
    this.scheme = scheme;
    this.stop = stop;
  }

  static async create(): Promise<SvmPayer> {
    const signer = await generateKeyPairSigner();
    const node = await startNode();
    return new SvmPayer(signer.address, new ExactSvmScheme(signer, node), node.stop);
  }

  /** The base64 of a transaction that pays these requirements. */
  async sign(requirements: PaymentRequirements): Promise<string> {
    const extra = { ...requirements.extra, recentBlockhash: randomSolanaAddress() };
    const { payload } = await this.scheme.createPaymentPayload(2, { ...requirements, extra });
    return String(payload["transaction"]);
  }
}

/** Knows of every account that it is a token with six decimals, and the latest blockhash. */
async function startNode(): Promise<{ rpcUrl: string; stop: () => Promise<void> }> {
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      const { id, method }: { id: unknown; method: string } = JSON.parse(text);
      const value =
        method === "getLatestBlockhash"
          ? { blockhash: randomSolanaAddress(), lastValidBlockHeight: 1 }
          : mintAccount();
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { context: { slot: 1 }, value } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The layout of a mint: its decimals are byte 44, and byte 45 says that it is there. */
function mintAccount() {
  const data = Buffer.alloc(82);
  data[44] = 6;
  data[45] = 1;
  return {
    data: [data.toString("base64"), "base64"],
    executable: false,
    lamports: 1,
    owner: TOKEN_PROGRAM,
    rentEpoch: 0,
    space: data.length,
  };
}
