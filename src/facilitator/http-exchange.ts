import type { FacilitatorReply } from "./reply.ts";
import { parseRetryAfter } from "./reply.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpLimits {
  /** For the whole exchange, the body included. */
  readonly timeoutMs: number;
  /** Longest body that is read, after decompression. */
  readonly bodyBytesMax: number;
}

/** The part of `fetch` that is used; tests inject faults here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * One request to a facilitator, and what came of it. Never retries, never follows a redirect (the next host is not
 * the one that was configured, and credentials and payments are not for it) and never throws.
 */
export async function exchange(
  request: HttpRequest,
  limits: HttpLimits,
  send: Fetch = (url, init) => fetch(url, init),
): Promise<FacilitatorReply> {
  const { url, ...init } = request;
  // Not AbortSignal.timeout: its timer can't be cleared, and would keep a Durable Object awake after the answer.
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), limits.timeoutMs);
  try {
    const response = await send(url, { ...init, redirect: "manual", signal: deadline.signal });
    const text = isKnownToFit(response.headers, limits.bodyBytesMax)
      ? await response.text()
      : await readText(response.body, limits.bodyBytesMax);
    return {
      kind: "answered",
      status: response.status,
      body: text === null ? undefined : parseJson(text),
      retryAfterMs: parseRetryAfter(response.headers.get("Retry-After"), Date.now()),
    };
  } catch {
    return { kind: "unanswered", failure: deadline.signal.aborted ? "timeout" : "unreachable" };
  } finally {
    clearTimeout(timer);
  }
}

/** Reading a body whole is much cheaper than in chunks, and safe where its length is announced and not compressed. */
function isKnownToFit(headers: Headers, bytesMax: number): boolean {
  const length = headers.get("Content-Length");
  return (
    length !== null &&
    /^\d{1,9}$/.test(length) &&
    Number(length) <= bytesMax &&
    headers.get("Content-Encoding") === null
  );
}

/** Null when the body is longer than it may be; the rest of it is not read. */
async function readText(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<string | null> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (bytes > bytesMax) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
