import { HttpRequestError, ResponseBodyTooLargeError, RpcRequestError } from "viem";
import { ZodError } from "zod";

/** The chain could not be asked, or its answers do not fit together; the message is the reason, fit for a log. */
export class ChainUnavailableError extends Error {
  override readonly name = "ChainUnavailableError";
}

/**
 * Why a read of the chain failed, in a few words. Error messages are not passed on: they contain the node's URL, and
 * with it the API key, and some nodes repeat the key in theirs.
 */
export function rpcFailureReason(error: unknown): string {
  // viem wraps what it caught, up to three deep.
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const reason = knownReason(cause);
    if (reason !== null) return reason;
  }
  return `unexpected ${error instanceof Error ? error.name : "failure"}`;
}

/** Whether a question about fewer blocks may be answered: nodes limit ranges and results in ways of their own. */
export function isTooMuchAtOnce(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResponseBodyTooLargeError || cause instanceof RpcRequestError) return true;
    if (cause instanceof HttpRequestError && cause.status === 413) return true;
  }
  return false;
}

function knownReason(error: Error): string | null {
  if (error instanceof ChainUnavailableError) return error.message;
  // By name: of one call it is viem's own class, of the whole question the reason its deadline aborts with.
  if (error.name === "TimeoutError") return "the node did not answer in time";
  if (error instanceof ZodError || error instanceof SyntaxError) {
    return "the node's answer is unreadable";
  }
  if (error instanceof ResponseBodyTooLargeError) return "the node's answer is too large";
  if (error instanceof RpcRequestError) return `the node refused: error ${error.code}`;
  if (!(error instanceof HttpRequestError)) return null;
  if (error.status !== undefined) return `the node refused: HTTP ${error.status}`;
  return error.cause instanceof SyntaxError ? null : "the node could not be reached";
}
