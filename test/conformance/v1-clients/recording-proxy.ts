/** Passes requests on as they are, and remembers them: what a client really sends. */
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer, request } from "node:http";
import { pipeline } from "node:stream/promises";

export interface RecordedRequest {
  readonly method: string;
  /** Without those of the connection. */
  readonly headers: Readonly<Record<string, string>>;
}

const OF_THE_CONNECTION = new Set(["host", "connection"]);

export class RecordingProxy {
  readonly #requests: RecordedRequest[] = [];
  readonly #server;

  private constructor(target: string) {
    this.#server = createServer((incoming, answer) => {
      this.#requests.push(recordOf(incoming));
      // A connection that breaks is the client's to report.
      passOn(target, incoming, answer).catch(() => answer.destroy());
    });
  }

  static async start(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The only request with this header since the last question. */
  taken(header: string): RecordedRequest {
    const found = this.#requests.splice(0).filter(({ headers }) => header in headers);
    const [first, ...others] = found;
    if (first === undefined || others.length > 0) {
      throw new Error(`expected one request with ${header}, got ${found.length}`);
    }
    return first;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function recordOf({ method = "", headers }: IncomingMessage): RecordedRequest {
  const kept = Object.entries(headers)
    .filter(([name]) => !OF_THE_CONNECTION.has(name))
    .map(([name, value]) => [name, [value].flat().join(", ")]);
  return { method, headers: Object.fromEntries(kept) };
}

async function passOn(
  target: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  const { method, headers, url = "/" } = incoming;
  const outgoing = request(new URL(url, target).href, { method: method ?? "GET", headers });
  const answered = once(outgoing, "response");
  await pipeline(incoming, outgoing);
  const [response] = (await answered) as [IncomingMessage];
  answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
  await pipeline(response, answer);
}
