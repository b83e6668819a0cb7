/**
 * A closed loop: each connection sends its next request when it has its answer. On plain sockets with requests made
 * beforehand, because the load shares two cores with what it measures: an HTTP client would be most of the work.
 */
import { type Socket, connect } from "node:net";
import { setTimeout } from "node:timers/promises";

export interface LoopOptions {
  readonly port: number;
  readonly concurrency: number;
  readonly durationMs: number;
  /** The bytes of the next request; null when there are none left, which ends the loop. */
  readonly nextRequest: () => Buffer | null;
  /** What every answer's head has to contain. */
  readonly expected: string;
  /** Milliseconds over which the connections' first requests are spread; all are sent at once without it. */
  readonly startSpreadMs?: number;
}

export interface LoopResult {
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Milliseconds, ascending. */
  readonly latenciesMs: Float64Array;
}

const HEAD_END = "\r\n\r\n";
const CHUNKED_END = "\r\n0\r\n\r\n";

/** @throws when an answer is not the expected one: a run of failures measures nothing. */
export async function closedLoop(options: LoopOptions): Promise<LoopResult> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + options.durationMs;
  await Promise.all(
    Array.from({ length: options.concurrency }, async (_, index) => {
      await setTimeout(((options.startSpreadMs ?? 0) * index) / options.concurrency);
      await oneConnection(options, endsAt, latencies);
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    calls: latencies.length,
    callsPerSecond: latencies.length / seconds,
    latenciesMs: Float64Array.from(latencies).toSorted(),
  };
}

async function oneConnection(
  { port, nextRequest, expected }: LoopOptions,
  endsAt: number,
  latencies: number[],
): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  try {
    const read = answerReader(socket);
    while (performance.now() < endsAt) {
      const request = nextRequest();
      if (request === null) return;
      const sentAt = performance.now();
      socket.write(request);
      const answer = await read();
      latencies.push(performance.now() - sentAt);
      if (!answer.slice(0, answer.indexOf(HEAD_END)).includes(expected)) {
        throw new Error(`expected "${expected}", got: ${answer.slice(0, 2_000)}`);
      }
    }
  } finally {
    socket.destroy();
  }
}

/** Reads one whole answer at a time, as latin1 text. */
function answerReader(socket: Socket): () => Promise<string> {
  let text = "";
  let waiting: { resolve: (answer: string) => void; reject: (error: Error) => void } | null = null;
  const settleWaiting = () => {
    if (waiting === null || !isWhole(text)) return;
    const { resolve } = waiting;
    waiting = null;
    const answer = text;
    text = "";
    resolve(answer);
  };
  const fail = (error: Error) => waiting?.reject(error);
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += String(chunk);
    settleWaiting();
  });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed the connection")));
  return () =>
    new Promise<string>((resolve, reject) => {
      waiting = { resolve, reject };
    });
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const head = text.slice(0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return length === undefined
    ? text.endsWith(CHUNKED_END)
    : text.length >= headEnd + HEAD_END.length + Number(length);
}
