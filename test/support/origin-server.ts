/** A tenant's own API for tests: answers as it is told, and counts how often it was asked. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { once } from "node:events";

export type OriginAnswer = (request: IncomingMessage, response: ServerResponse) => void;

export class OriginServer {
  readonly #server = createServer((request, response) => {
    this.calls += 1;
    this.answer(request, response);
  });
  /** Requests that arrived: how often a handler ran. */
  calls = 0;
  answer: OriginAnswer = answerCounted;

  static async start(): Promise<OriginServer> {
    const origin = new OriginServer();
    origin.#server.listen(0, "127.0.0.1");
    await once(origin.#server, "listening");
    return origin;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return `http://127.0.0.1:${address.port}/`;
  }

  /** Counts from zero again, and answers as at the start. */
  reset(): void {
    this.calls = 0;
    this.answer = answerCounted;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

let answers = 0;

/** Never the same body twice, so that a replay can be told from a second run. */
function answerCounted(_request: IncomingMessage, response: ServerResponse): void {
  answers += 1;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ answer: answers }));
}

/** Answers when `release` is called. */
export function heldAnswer(): { readonly answer: OriginAnswer; release(): void } {
  const waiting: ServerResponse[] = [];
  let released = false;
  return {
    answer: (request, response) => {
      if (released) answerCounted(request, response);
      else waiting.push(response);
    },
    release() {
      released = true;
      for (const response of waiting) {
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify({ held: true }));
      }
    },
  };
}
