/** Payments as rows: loading, saving and finding what is due. Every statement is synchronous. */
import * as z from "zod";
import type { WirePayment } from "../../src/payment/wire.ts";
import type { Superseded } from "../../src/settlement/claim.ts";
import type { TransferEvidence } from "../../src/settlement/evidence.ts";
import type { Payment, PaymentState } from "../../src/settlement/payment.ts";
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
  fee_atomic: string;
  bound_facilitator_id: string | null;
  attempts: string;
  transaction_hash: string | null;
  failure: string | null;
  response: "kept" | "removed" | "none";
  fulfilment: "pending" | "fulfilled" | "undelivered" | null;
  fulfilment_attempts: number;
  fulfil_before_ms: number | null;
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
FROM payments p LEFT JOIN evidence e ON e.payment_id = p.payment_id`;

export class PaymentRows implements PaymentStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  byId(paymentId: string): Payment | null {
    return this.#one(`${SELECT_PAYMENT} WHERE p.payment_id = ?`, paymentId);
  }

  byIdentity(identity: string): Payment | null {
    return this.#one(`${SELECT_PAYMENT} WHERE p.identity = ?`, identity);
  }

  latestUnanswered(payer: string, requestFingerprint: string): Payment | null {
    return this.#one(
      `${SELECT_PAYMENT} WHERE p.payer = ? AND p.request_fingerprint = ?
       AND p.answered_at_ms IS NULL AND p.direction = 'incoming'
       AND (p.state NOT IN ('failed', 'expired') OR p.operator_ruling = 'settled')
       AND NOT (p.state IN ('settled', 'confirmed') AND p.response <> 'kept'
         AND COALESCE(p.fulfilment, '') <> 'pending')
       ORDER BY p.payment_id DESC LIMIT 1`,
      payer,
      requestFingerprint,
    );
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
      .exec<{ wire: string | null }>("SELECT wire FROM payments WHERE payment_id = ?", paymentId)
      .toArray()[0];
    const wire = row?.wire ?? null;
    return wire === null ? null : wireSchema.parse(JSON.parse(wire));
  }

  setWire(paymentId: string, wire: WirePayment): void {
    this.#sql.exec(
      "UPDATE payments SET wire = ? WHERE payment_id = ?",
      JSON.stringify(wire),
      paymentId,
    );
  }

  insert(payment: Payment, request: PaidRequest, wire: WirePayment | null): void {
    const { authorization } = payment;
    this.#sql.exec(
      `INSERT INTO payments (
        payment_id, direction, state, identity, payload_digest, request_fingerprint,
        quote_hash, identifier_hash, idempotency_key_hash, network, asset, payer, payee,
        amount_atomic, nonce, valid_after_ms, valid_before_ms, fee_atomic, bound_facilitator_id,
        attempts, transaction_hash, failure, response, resign_guard, replay_grace_ms,
        route_path, method, url, wire, claimed_at_ms, settled_at_ms, confirmed_at_ms,
        answered_at_ms, chain_checked_at_ms, retry_count, due_at_ms,
        fulfilment, fulfilment_attempts, fulfil_before_ms
      ) VALUES (${Array.from({ length: 39 }, () => "?").join(", ")})`,
      payment.paymentId,
      payment.direction,
      payment.state,
      payment.identity,
      payment.payloadDigest,
      payment.requestFingerprint,
      payment.proofs.quoteHash,
      payment.proofs.identifierHash,
      payment.proofs.idempotencyKeyHash,
      authorization.network,
      authorization.asset,
      authorization.payer,
      authorization.payee,
      String(authorization.amountAtomic),
      authorization.nonce,
      authorization.validAfterMs,
      authorization.validBeforeMs,
      String(payment.feeAtomic),
      payment.boundFacilitatorId,
      JSON.stringify(payment.attempts),
      payment.transaction,
      payment.failure,
      payment.response,
      payment.resignGuard ? 1 : 0,
      payment.replayGraceMs,
      request.routePath,
      request.method,
      request.url,
      wire === null ? null : JSON.stringify(wire),
      payment.claimedAtMs,
      payment.settledAtMs,
      payment.confirmedAtMs,
      payment.answeredAtMs,
      payment.chainCheckedAtMs,
      payment.retryCount,
      payment.dueAtMs,
      payment.fulfilment?.state ?? null,
      payment.fulfilment?.attempts ?? 0,
      payment.fulfilment?.beforeMs ?? null,
    );
  }

  update(payment: Payment): void {
    this.#sql.exec(
      `UPDATE payments SET state = ?, attempts = ?, transaction_hash = ?, failure = ?,
        response = ?, settled_at_ms = ?, confirmed_at_ms = ?, answered_at_ms = ?,
        chain_checked_at_ms = ?, operator_ruling = ?, ruled_at_ms = ?,
        retry_count = ?, due_at_ms = ?, fulfilment = ?, fulfilment_attempts = ?
       WHERE payment_id = ?`,
      payment.state,
      JSON.stringify(payment.attempts),
      payment.transaction,
      payment.failure,
      payment.response,
      payment.settledAtMs,
      payment.confirmedAtMs,
      payment.answeredAtMs,
      payment.chainCheckedAtMs,
      payment.ruling?.resolution ?? null,
      payment.ruling?.atMs ?? null,
      payment.retryCount,
      payment.dueAtMs,
      payment.fulfilment?.state ?? null,
      payment.fulfilment?.attempts ?? 0,
      payment.paymentId,
    );
  }

  paymentProvedBy(network: string, evidence: TransferEvidence): string | null {
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

  superseded(identity: string): Superseded | null {
    const row = this.#sql
      .exec<{
        payment_id: string;
        identity: string;
        payload_digest: string;
        request_fingerprint: string;
        superseded_by: string;
      }>("SELECT * FROM superseded WHERE identity = ?", identity)
      .toArray()[0];
    if (row === undefined) return null;
    return {
      paymentId: row.payment_id,
      identity: row.identity,
      payloadDigest: row.payload_digest,
      requestFingerprint: row.request_fingerprint,
      supersededBy: row.superseded_by,
    };
  }

  putSuperseded(superseded: Superseded, nowMs: number): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO superseded
        (identity, payment_id, payload_digest, request_fingerprint, superseded_by, at_ms)
       VALUES (?, ?, ?, ?, ?, ?)`,
      superseded.identity,
      superseded.paymentId,
      superseded.payloadDigest,
      superseded.requestFingerprint,
      superseded.supersededBy,
      nowMs,
    );
  }

  #one(query: string, ...bindings: string[]): Payment | null {
    const row = this.#sql.exec<PaymentRow>(query, ...bindings).toArray()[0];
    return row === undefined ? null : toPayment(row);
  }
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
