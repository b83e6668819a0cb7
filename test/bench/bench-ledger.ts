/** The product's ledger, with ways to fill it and to count what it is asked and what it writes. */
import { SettlementLedger } from "../../durable-objects/settlement-ledger/settlement-ledger.ts";
import type {
  ClaimRequest,
  RecordRequest,
  ReleaseRequest,
  StageRequest,
} from "../../src/contracts/ledger.ts";
import type { TenantId } from "../../src/tenant/tenant-id.ts";
import { ASSET, NETWORK, PAY_TO, PRICE_ATOMIC, ROUTE_PATH } from "./offer.ts";
import { claimRequest } from "../support/claim-request.ts";

export interface LedgerCounters {
  /** Name of the object's files. */
  readonly objectId: string;
  /** Calls of paid requests: claim, release, stage, record. */
  readonly requests: number;
  /** News of answers that travelled alone, and alarms: work beside the paid requests. */
  readonly background: number;
  readonly rowsWritten: number;
}

/** Filled payments are old: settled, confirmed and answered an hour ago, their responses swept. */
const AGE_MS = 3_600_000;

export class BenchLedger extends SettlementLedger {
  #requests = 0;
  #background = 0;
  readonly #rows: { written: number };

  constructor(ctx: DurableObjectState, env: Env) {
    const rows = countRows(ctx.storage.sql);
    super(ctx, env);
    this.#rows = rows;
  }

  override claim(request: ClaimRequest) {
    this.#requests += 1;
    return super.claim(request);
  }

  override release(request: ReleaseRequest) {
    this.#requests += 1;
    return super.release(request);
  }

  override stage(request: StageRequest) {
    this.#requests += 1;
    return super.stage(request);
  }

  override record(request: RecordRequest) {
    this.#requests += 1;
    return super.record(request);
  }

  override answered(tenantId: TenantId, paymentIds: readonly string[]) {
    this.#background += 1;
    return super.answered(tenantId, paymentIds);
  }

  override alarm(alarmInfo?: AlarmInvocationInfo) {
    this.#background += 1;
    return super.alarm(alarmInfo);
  }

  async benchCounters(): Promise<LedgerCounters> {
    return {
      objectId: this.ctx.id.toString(),
      requests: this.#requests,
      background: this.#background,
      rowsWritten: this.#rows.written,
    };
  }

  /** Claims payments never seen before and gives them back, without the cost of a call around each. */
  async benchClaims(tenantId: TenantId, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const nonce = crypto.randomUUID();
      const identity = `eip3009:${NETWORK}:${ASSET}:0xclaimant:${nonce}`;
      const claimed = { ...claimRequest(nonce), payer: "0xclaimant" };
      const reply = await super.claim({ ...claimed, tenantId, identity });
      if (reply.result !== "granted") throw new Error(`a new payment was ${reply.result}`);
      await super.release({ tenantId, identity, grant: reply.grant, handlerRan: false });
    }
  }

  /** Adds payments `from` to `from + count - 1`, each with its journal posting, as a long-running ledger has them. */
  async benchFill(from: number, count: number): Promise<void> {
    const oldMs = Date.now() - AGE_MS;
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      sql.exec(FILL_PAYMENTS, from, from + count, oldMs);
      sql.exec(FILL_WIRES, from, from + count);
      sql.exec(FILL_JOURNAL, from, from + count, oldMs);
    });
  }
}

/** Every cursor of a call is done when the call returns, so the sum is complete between calls. */
function countRows(sql: SqlStorage): { written: number } {
  const rows = { written: 0 };
  const exec = sql.exec.bind(sql);
  const counting: typeof sql.exec = (query, ...bindings) => {
    const cursor = exec<never>(query, ...bindings);
    rows.written += cursor.rowsWritten;
    return cursor;
  };
  sql.exec = counting;
  return rows;
}

/** Spread like hashes, so that inserts into indexes land anywhere, as real ones do. */
const SCATTERED = (number: string) => `printf('%08x', (${number} * 2654435761) & 4294967295)`;

const NUMBERS = `WITH RECURSIVE numbers (n) AS
  (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?2)`;

const PAYMENT_ID = "'pay_bench_0' || printf('%010d', n) || '0000000000000000'";

const FILL_PAYMENTS = `${NUMBERS}
INSERT INTO payments (
  payment_id, direction, state, identity, payload_digest, request_fingerprint, quote_hash,
  network, asset, payer, payee, amount_atomic, nonce, valid_after_ms, valid_before_ms, fee_atomic,
  attempts, transaction_hash, response, resign_guard, replay_grace_ms, route_path, method, url,
  claimed_at_ms, settled_at_ms, confirmed_at_ms, answered_at_ms, retry_count
) SELECT ${PAYMENT_ID}, 'incoming', 'confirmed',
  'eip3009:${NETWORK}:${ASSET}:0x' || ${SCATTERED("n")} || ':0x' || ${SCATTERED("n")} || hex(zeroblob(28)),
  hex(zeroblob(32)), ${SCATTERED("n")} || hex(zeroblob(28)), hex(zeroblob(32)),
  '${NETWORK}', '${ASSET}', '0x' || ${SCATTERED("n")} || hex(zeroblob(16)), '${PAY_TO}',
  '${PRICE_ATOMIC}', ${SCATTERED("n")} || hex(zeroblob(28)), 0, ?3 + 300000, '1000',
  '[{"attempt":1,"facilitatorId":"stub","startedAtMs":0,"leaseExpiresAtMs":0,"outcome":null}]',
  '0x' || ${SCATTERED("n")} || hex(zeroblob(28)), 'removed', 1, 600000,
  '${ROUTE_PATH}', 'GET', 'https://bench.example${ROUTE_PATH}',
  ?3, ?3, ?3, ?3, 0
FROM numbers`;

const FILL_WIRES = `${NUMBERS}
INSERT INTO wire_payments (payment_id, wire)
SELECT ${PAYMENT_ID}, hex(zeroblob(450)) FROM numbers`;

const FILL_JOURNAL = `${NUMBERS}
INSERT INTO journal (source_id, posting, account, kind, asset, amount_atomic, at_ms)
SELECT ${PAYMENT_ID}, 1, account, 'payment_settled', '${ASSET}', amount, ?3
FROM numbers,
  (SELECT 'deposit' AS account, '10000' AS amount
   UNION ALL SELECT 'payable', '-9000' UNION ALL SELECT 'fees', '-1000')`;
