/**
 * Which answers this edge has written out. The ledger's re-sign guard needs to know; a request of its own per answer
 * would cost as much as the payment, so the news travels with the next claim to the same ledger, or alone after a
 * moment when there is none.
 */
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { TenantId } from "../tenant/tenant-id.ts";

/** How long news waits for a claim to travel with. */
const FLUSH_AFTER_MS = 1_000;
/** Per call; the rest travels with the next one. */
const BATCH_MAX = 200;

const pending = new Map<TenantId, Set<string>>();

/** What has been written out since the last call to this tenant's ledger; the caller delivers it. */
export function takeAnswered(tenantId: TenantId): string[] {
  const paymentIds = pending.get(tenantId);
  if (paymentIds === undefined) return [];
  const taken = [...paymentIds].slice(0, BATCH_MAX);
  for (const paymentId of taken) paymentIds.delete(paymentId);
  if (paymentIds.size === 0) pending.delete(tenantId);
  return taken;
}

/** Takes note of an answer without a body: there is no later write that could fail. */
export function reportAnswer(
  env: Env,
  execution: Pick<ExecutionContext, "waitUntil">,
  tenantId: TenantId,
  paymentId: string,
): void {
  execution.waitUntil(noteAnswered(ledgerOf(env, tenantId), tenantId, paymentId));
}

/**
 * A body that reports when it was handed over whole. A client that hangs up before leaves its payment unanswered,
 * so that signing again gets the same answer and not a second charge. It costs more than a
 * plain body, so it is for answers that are not known to have been written out before.
 */
export function reportWhenWritten(
  body: Uint8Array,
  env: Env,
  execution: Pick<ExecutionContext, "waitUntil">,
  tenantId: TenantId,
  paymentId: string,
): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(body.byteLength);
  execution.waitUntil(
    write(writable, body).then(
      () => noteAnswered(ledgerOf(env, tenantId), tenantId, paymentId),
      () => undefined,
    ),
  );
  return readable;
}

/** A write fails when an earlier one has met a closed connection; the runtime is this many writes ahead of it. */
const WRITES_AHEAD = 3;

/**
 * The first bytes one by one, because a connection whose client has hung up takes what it is given at once as if
 * nothing were wrong: only a later write fails. All are handed over at once, since each wait would cost as much as a
 * write; when one fails, so does the end of the stream.
 */
async function write(writable: WritableStream<Uint8Array>, body: Uint8Array): Promise<void> {
  const writer = writable.getWriter();
  const single = Math.min(WRITES_AHEAD, body.byteLength);
  for (let at = 0; at < single; at += 1) writeUnawaited(writer, body.subarray(at, at + 1));
  if (single < body.byteLength) writeUnawaited(writer, body.subarray(single));
  await writer.close();
}

function writeUnawaited(writer: WritableStreamDefaultWriter<Uint8Array>, bytes: Uint8Array): void {
  writer.write(bytes).catch(() => undefined);
}

/** Resolves when the ledger was told, or when others see to it. */
export async function noteAnswered(
  ledger: Pick<LedgerClient, "answered">,
  tenantId: TenantId,
  paymentId: string,
): Promise<void> {
  const known = pending.get(tenantId);
  if (known !== undefined) {
    known.add(paymentId);
    return;
  }
  pending.set(tenantId, new Set([paymentId]));
  await scheduler.wait(FLUSH_AFTER_MS);
  let taken: string[];
  do {
    taken = takeAnswered(tenantId);
    if (taken.length > 0) await ledger.answered(taken);
    // What came meanwhile has a moment of its own; only what did not fit has nobody else to wait for it.
  } while (taken.length === BATCH_MAX);
}
