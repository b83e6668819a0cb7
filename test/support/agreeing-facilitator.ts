/** A facilitator that agrees with everything, reached by one path of the network from each edge; each can be cut. */
import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { randomBytes } from "node:crypto";
import * as z from "zod";

const paymentSchema = z.object({
  paymentPayload: z.object({
    payload: z.object({ authorization: z.object({ from: z.string() }) }),
  }),
  paymentRequirements: z.object({ network: z.string(), amount: z.string() }),
});

export class AgreeingFacilitator {
  /** First byte of its transactions: who settled a payment shows in the receipt. */
  readonly #mark: string;
  readonly #network: string;
  readonly paths: readonly [NetworkPath, NetworkPath];
  /** Takes payments and never answers; it still lists what it serves, so that only calls find it ill. */
  isHanging = false;

  private constructor(mark: string, network: string) {
    this.#mark = mark;
    this.#network = network;
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response);
    this.paths = [new NetworkPath(answer), new NetworkPath(answer)];
  }

  /** With both of its paths still cut, but their ports taken. @param mark two hexadecimal digits */
  static async create(mark: string, network: string): Promise<AgreeingFacilitator> {
    const facilitator = new AgreeingFacilitator(mark, network);
    await facilitator.connect();
    await facilitator.cut();
    return facilitator;
  }

  async connect(): Promise<void> {
    await Promise.all(this.paths.map((path) => path.connect()));
  }

  async cut(): Promise<void> {
    await Promise.all(this.paths.map((path) => path.cut()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (this.isHanging && request.url !== "/supported") return;
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(this.#replyTo(request.url, body)));
  }

  #replyTo(path: string | undefined, body: string): object {
    if (path === "/supported") {
      const kind = { x402Version: 2, scheme: "exact", network: this.#network };
      return { kinds: [kind], extensions: [], signers: {} };
    }
    const { paymentPayload, paymentRequirements } = paymentSchema.parse(JSON.parse(body));
    const payer = paymentPayload.payload.authorization.from;
    if (path === "/verify") return { isValid: true, payer };
    const { network, amount } = paymentRequirements;
    const transaction = `0x${this.#mark}${randomBytes(31).toString("hex")}`;
    return { success: true, transaction, network, payer, amount };
  }
}

/** A port, kept while nothing listens on it. */
export class NetworkPath {
  /** Calls of `/verify` that arrived. */
  verifications = 0;
  readonly #answer: (request: IncomingMessage, response: ServerResponse) => void;
  #port = 0;
  #server: Server | null = null;

  constructor(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#answer = answer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async connect(): Promise<void> {
    const server = createServer((request, response) => {
      if (request.url === "/verify") this.verifications += 1;
      this.#answer(request, response);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    this.#port = address.port;
    this.#server = server;
  }

  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}
