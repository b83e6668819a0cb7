/** An operator's webhook receiver for tests: remembers what arrived, verified, and answers as it is told. */
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { Webhook } from "standardwebhooks";

export interface Received {
  readonly id: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
}

export class AlertReceiver {
  readonly received: Received[] = [];
  /** Status of the answer to the n-th request, counted from 1. */
  readonly #statusOf: (request: number) => number;
  readonly #server = createServer((request, response) => void this.#receive(request, response));

  private constructor(statusOf: (request: number) => number) {
    this.#statusOf = statusOf;
  }

  static async start(statusOf: (request: number) => number): Promise<AlertReceiver> {
    const receiver = new AlertReceiver(statusOf);
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return `http://127.0.0.1:${address.port}/alerts`;
  }

  /** What was taken, each verified by the official library. @throws WebhookVerificationError */
  taken(secret: string): unknown[] {
    return this.received
      .filter(({ status }) => status === 200)
      .map(({ body, headers }) => new Webhook(secret).verify(body, headers));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOf(request);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const status = this.#statusOf(this.received.length + 1);
    this.received.push({ id: headers["webhook-id"] ?? "", body, headers, status });
    response.writeHead(status).end();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
