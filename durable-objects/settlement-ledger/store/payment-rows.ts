/** Payments as rows: loading, saving and finding what is due. Every statement is synchronous. */
import * as z from "zod";
import type { WirePayment } from "../../../src/payment/wire.ts";
import type { TransferEvidence } from "../../../src/settlement/evidence.ts";
import type { Payment, PaymentState } from "../../../src/settlement/payment.ts";
import type { PaidRequest, PaymentStore } from "./store.ts";

const attemptsSchema = z.array(
  z.object({
    attempt: z.number(),
    facilitatorId: z.string(),
    startedAtMs: z.number(),
    leaseExpiresAtMs: z.number(),
    outcome: z
      .discriminatedUnion("class", [
        z.object({ class: z.literal("settled"), transaction: z.string() }),
        z.object({ class: z.literal("refused"), reason: z.string() }),
        z.object({ class: z.literal("pending"), transaction: z.string().nullable() }),
        z.object({
          class: z.literal("ambiguous"),
          reason: z.string(),
          transaction: z.string().nullable(),
        }),
        z.object({
          class: z.literal("unavailable"),
          reason: z.string(),
          retryAfterMs: z.number().nullable(),
        }),
      ])
      .nullable(),
  }),
);

const wireSchema = z.object({
  x402Version: z.union([z.literal(1), z.literal(2)]),
  paymentPayload: z.record(z.string(), z.json()),
  paymentRequirements: z.record(z.string(), z.json()),
});

/** A row as `payments` and `evidence` have it; the tables' own CHECKs and types vouch for the values. */
type PaymentRow = {
  payment_id: string;
  direction: "incoming" | "outgoing";
  state: PaymentState;
  identity: string;
  payload_digest: string;
  request_fingerprint: string;
  quote_hash: string | null;
  identifier_hash: string | null;
  idempotency_key_hash: string | null;
  network: string;
  asset: string;
  payer: string;
  payee: string;
  amount_atomic: string;
  nonce: string;
  valid_after_ms: number;
  valid_before_ms: number;
  transfer_method: "permit2" | null;
  maximum_atomic: string | null;
  fee_atomic: string;
  bound_facilitator_id: string | null;
  attempts: string;
  transaction_hash: string | null;
  failure: string | null;
  response: "kept" | "removed" | "none";
  fulfilment: "pending" | "fulfilled" | "undelivered" | null;
  fulfilment_attempts: number;
  fulfil_before_ms: number | null;
  refund_kind: "payment" | "deposit" | null;
  refund_of: string | null;
  operator_ruling: "settled" | "failed" | null;
  ruled_at_ms: number | null;
  resign_guard: number;
  replay_grace_ms: number;
  claimed_at_ms: number;
  settled_at_ms: number | null;
  confirmed_at_ms: number | null;
  answered_at_ms: number | null;
  chain_checked_at_ms: number | null;
  retry_count: number;
  due_at_ms: number | null;
  log_index: number | null;
  block_number: string | null;
  block_hash: string | null;
  block_timestamp_ms: number | null;
};

const SELECT_PAYMENT = `
SELECT p.*, e.log_index, e.block_number, e.block_hash, e.block_timestamp_ms
FROM payments p LEFT JOIN evidence e ON e.payment_id = p.payment_id
WHERE p.payment_id = ?`;

/** Payments kept in memory, about 2 KB each: far more than are under way at once. */
const RECENT_MAX = 2_000;

/**
 * The only writer of `payments`. A payment is read several times on its way (record, answered, confirmed), so the last
 * ones that were read or written are kept as they are in their rows; a transaction that is undone forgets them.
 */
export class PaymentRows implements PaymentStore {
  readonly #sql: SqlStorage;
  /** The least recently used first. */
  readonly #recent = new Map<string, Payment>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  byId(paymentId: string): Payment | null {
    const known = this.#recent.get(paymentId);
    if (known !== undefined) return known;
    const row = this.#sql.exec<PaymentRow>(SELECT_PAYMENT, paymentId).toArray()[0];
    return row === undefined ? null : this.#remember(toPayment(row));
  }

  byIdentity(identity: string): Payment | null {
    return this.#first("SELECT payment_id FROM payments WHERE identity = ?", identity);
  }

  byIdentifier(identifierHash: string): Payment | null {
    return this.#first("SELECT payment_id FROM payments WHERE identifier_hash = ?", identifierHash);
  }

  latestUnanswered(payer: string, requestFingerprint: string): Payment | null {
    return this.#first(
      `SELECT payment_id FROM payments WHERE payer = ? AND request_fingerprint = ?
       AND answered_at_ms IS NULL AND direction = 'incoming'
       AND (state NOT IN ('failed', 'expired') OR operator_ruling = 'settled')
       AND NOT (state IN ('settled', 'confirmed') AND response <> 'kept'
         AND COALESCE(fulfilment, '') <> 'pending')
       ORDER BY payment_id DESC LIMIT 1`,
      payer,
      requestFingerprint,
    );
  }

  /** Forgets what memory holds: the rows may be others. */
  forget(): void {
    this.#recent.clear();
  }

  due(nowMs: number, limit: number): string[] {
    return this.#sql
      .exec<{ payment_id: string }>(
        "SELECT payment_id FROM payments WHERE due_at_ms <= ? ORDER BY due_at_ms LIMIT ?",
        nowMs,
        limit,
      )
      .toArray()
      .map((row) => row.payment_id);
  }

  nextDueAtMs(): number | null {
    const row = this.#sql
      .exec<{ due_at_ms: number | null }>(
        "SELECT MIN(due_at_ms) AS due_at_ms FROM payments WHERE due_at_ms IS NOT NULL",
      )
      .one();
    return row.due_at_ms;
  }

  wireOf(paymentId: string): WirePayment | null {
    const row = this.#sql
      .exec<{ wire: string }>("SELECT wire FROM wire_payments WHERE payment_id = ?", paymentId)
      .toArray()[0];
    return row === undefined ? null : wireSchema.parse(JSON.parse(row.wire));
  }

  setWire(paymentId: string, wire: WirePayment): void {
    this.#sql.exec(
      "INSERT INTO wire_payments (payment_id, wire) VALUES (?, ?)",
      paymentId,
      JSON.stringify(wire),
    );
  }

  insert(payment: Payment, request: PaidRequest, wire: WirePayment | null): void {
    const columns = { ...fixedColumns(payment, request), ...changingColumns(payment) };
    const names = Object.keys(columns);
    this.#sql.exec(
      `INSERT INTO payments (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
      ...Object.values(columns),
    );
    this.#remember(payment);
    if (wire !== null) this.setWire(payment.paymentId, wire);
  }

  /** Writes the columns that have changed: each that is named costs its indexes too, changed or not. */
  update(payment: Payment): void {
    const before = this.#recent.get(payment.paymentId);
    const known = before === undefined ? null : changingColumns(before);
    const changed = Object.entries(changingColumns(payment)).filter(
      ([column, value]) => known === null || known[column] !== value,
    );
    if (changed.length > 0) {
      this.#sql.exec(
        `UPDATE payments SET ${changed.map(([column]) => `${column} = ?`).join(", ")}
         WHERE payment_id = ?`,
        ...changed.map(([, value]) => value),
        payment.paymentId,
      );
    }
    this.#remember(payment);
  }

  paymentProvedBy(
    network: string,
    evidence: Pick<TransferEvidence, "transaction" | "logIndex">,
  ): string | null {
    return (
      this.#sql
        .exec<{ payment_id: string }>(
          `SELECT payment_id FROM evidence
           WHERE network = ? AND transaction_hash = ? AND log_index = ?`,
          network,
          evidence.transaction,
          evidence.logIndex,
        )
        .toArray()[0]?.payment_id ?? null
    );
  }

  setEvidence(payment: Payment, evidence: TransferEvidence | null): void {
    this.#sql.exec("DELETE FROM evidence WHERE payment_id = ?", payment.paymentId);
    if (evidence === null) return;
    this.#sql.exec(
      `INSERT INTO evidence (network, transaction_hash, log_index, payment_id,
        block_number, block_hash, block_timestamp_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      payment.authorization.network,
      evidence.transaction,
      evidence.logIndex,
      payment.paymentId,
      String(evidence.blockNumber),
      evidence.blockHash,
      evidence.blockTimestampMs,
    );
  }

  #first(query: string, ...bindings: string[]): Payment | null {
    const row = this.#sql.exec<{ payment_id: string }>(query, ...bindings).toArray()[0];
    return row === undefined ? null : this.byId(row.payment_id);
  }

  #remember(payment: Payment): Payment {
    this.#recent.delete(payment.paymentId);
    this.#recent.set(payment.paymentId, payment);
    if (this.#recent.size > RECENT_MAX) {
      const [oldest] = this.#recent.keys();
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
    return payment;
  }
}

type Columns = Readonly<Record<string, SqlStorageValue>>;

/** Known when a payment is staged, and the same ever after. */
function fixedColumns(payment: Payment, request: PaidRequest): Columns {
  const { authorization } = payment;
  return {
    payment_id: payment.paymentId,
    direction: payment.direction,
    identity: payment.identity,
    payload_digest: payment.payloadDigest,
    request_fingerprint: payment.requestFingerprint,
    quote_hash: payment.proofs.quoteHash,
    identifier_hash: payment.proofs.identifierHash,
    idempotency_key_hash: payment.proofs.idempotencyKeyHash,
    network: authorization.network,
    asset: authorization.asset,
    payer: authorization.payer,
    payee: authorization.payee,
    amount_atomic: String(authorization.amountAtomic),
    nonce: authorization.nonce,
    valid_after_ms: authorization.validAfterMs,
    valid_before_ms: authorization.validBeforeMs,
    transfer_method: authorization.transferMethod ?? null,
    maximum_atomic:
      authorization.maximumAtomic === undefined ? null : String(authorization.maximumAtomic),
    fee_atomic: String(payment.feeAtomic),
    bound_facilitator_id: payment.boundFacilitatorId,
    resign_guard: payment.resignGuard ? 1 : 0,
    replay_grace_ms: payment.replayGraceMs,
    route_path: request.routePath,
    method: request.method,
    url: request.url,
    claimed_at_ms: payment.claimedAtMs,
    refund_kind: payment.refundOf?.kind ?? null,
    refund_of: payment.refundOf?.id ?? null,
  };
}

/** What a transition can change. */
function changingColumns(payment: Payment): Columns {
  return {
    state: payment.state,
    attempts: JSON.stringify(payment.attempts),
    transaction_hash: payment.transaction,
    failure: payment.failure,
    response: payment.response,
    settled_at_ms: payment.settledAtMs,
    confirmed_at_ms: payment.confirmedAtMs,
    answered_at_ms: payment.answeredAtMs,
    chain_checked_at_ms: payment.chainCheckedAtMs,
    operator_ruling: payment.ruling?.resolution ?? null,
    ruled_at_ms: payment.ruling?.atMs ?? null,
    retry_count: payment.retryCount,
    due_at_ms: payment.dueAtMs,
    fulfilment: payment.fulfilment?.state ?? null,
    fulfilment_attempts: payment.fulfilment?.attempts ?? 0,
    fulfil_before_ms: payment.fulfilment?.beforeMs ?? null,
  };
}

function toPayment(row: PaymentRow): Payment {
  return {
    paymentId: row.payment_id,
    direction: row.direction,
    state: row.state,
    identity: row.identity,
    payloadDigest: row.payload_digest,
    requestFingerprint: row.request_fingerprint,
    proofs: {
      quoteHash: row.quote_hash,
      identifierHash: row.identifier_hash,
      idempotencyKeyHash: row.idempotency_key_hash,
    },
    authorization: {
      network: row.network,
      asset: row.asset,
      payer: row.payer,
      payee: row.payee,
      amountAtomic: BigInt(row.amount_atomic),
      nonce: row.nonce,
      validAfterMs: row.valid_after_ms,
      validBeforeMs: row.valid_before_ms,
      ...(row.transfer_method === null ? {} : { transferMethod: row.transfer_method }),
      ...(row.maximum_atomic === null ? {} : { maximumAtomic: BigInt(row.maximum_atomic) }),
    },
    feeAtomic: BigInt(row.fee_atomic),
    boundFacilitatorId: row.bound_facilitator_id,
    attempts: attemptsSchema.parse(JSON.parse(row.attempts)),
    transaction: row.transaction_hash,
    evidence: toEvidence(row),
    failure: row.failure,
    response: row.response,
    fulfilment:
      row.fulfilment === null || row.fulfil_before_ms === null
        ? null
        : {
            state: row.fulfilment,
            attempts: row.fulfilment_attempts,
            beforeMs: row.fulfil_before_ms,
          },
    refundOf:
      row.refund_kind === null || row.refund_of === null
        ? null
        : { kind: row.refund_kind, id: row.refund_of },
    ruling:
      row.operator_ruling === null || row.ruled_at_ms === null
        ? null
        : { resolution: row.operator_ruling, atMs: row.ruled_at_ms },
    resignGuard: row.resign_guard === 1,
    replayGraceMs: row.replay_grace_ms,
    claimedAtMs: row.claimed_at_ms,
    settledAtMs: row.settled_at_ms,
    confirmedAtMs: row.confirmed_at_ms,
    answeredAtMs: row.answered_at_ms,
    chainCheckedAtMs: row.chain_checked_at_ms,
    retryCount: row.retry_count,
    dueAtMs: row.due_at_ms,
  };
}

function toEvidence(row: PaymentRow): TransferEvidence | null {
  const {
    transaction_hash: transaction,
    log_index: logIndex,
    block_number: blockNumber,
    block_hash: blockHash,
    block_timestamp_ms: blockTimestampMs,
  } = row;
  return transaction === null ||
    logIndex === null ||
    blockNumber === null ||
    blockHash === null ||
    blockTimestampMs === null
    ? null
    : { transaction, logIndex, blockNumber: BigInt(blockNumber), blockHash, blockTimestampMs };
}
