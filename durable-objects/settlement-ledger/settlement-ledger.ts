import { DurableObject } from "cloudflare:workers";
import { isSignedByPayer } from "../../src/chain/eip3009.ts";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import { payoutNonce } from "../../src/chain/payout-authorization.ts";
import type { ChainReader, DepositReader } from "../../src/chain/port.ts";
import { type PlatformConfig, configOf } from "../../src/config.ts";
import type {
  AdminPaymentList,
  AlertListQuery,
  LedgerAlertList,
  PaymentInspection,
  PaymentListQuery,
  Reconciliation,
  ResolveReply,
  ResolveRequest,
  RetryReply,
} from "../../src/contracts/admin-payments.ts";
import type {
  ClaimReply,
  ClaimRequest,
  FulfilmentReply,
  FulfilmentRequest,
  PayoutReply,
  PayoutRequest,
  ReceiptQuery,
  RecordReply,
  RecordRequest,
  ReleaseRequest,
  StageReply,
  StageRequest,
} from "../../src/contracts/ledger.ts";
import type {
  Balance,
  PaymentStatus,
  Payout,
  Receipt,
  ReceiptList,
} from "../../src/contracts/tenant-api.ts";
import type {
  DepositList,
  DepositListQuery,
  Refund,
  RefundReply,
  RefundRequest,
} from "../../src/contracts/refunds.ts";
import { attemptLeaseMs } from "../../src/facilitator/attempt-lease.ts";
import { facilitatorGateway } from "../../src/facilitator/gateway.ts";
import type { FacilitatorGateway } from "../../src/facilitator/port.ts";
import { DEFAULT_REGION } from "../../src/facilitator/region.ts";
import { eip3009Identity } from "../../src/payment/identity.ts";
import {
  PAYMENT_ID_RANDOM_BYTES,
  type PaymentIdKind,
  makePaymentId,
} from "../../src/payment/payment-id.ts";
import type { TransitionContext } from "../../src/settlement/event.ts";
import { PLANS, feeAtomic } from "../../src/tenant/plans.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { migrate } from "../migrate.ts";
import { forwardAlerts } from "./alert-forwarding.ts";
import { openedAtMs } from "./deposit-scan.ts";
import { drainDependencies } from "./drain-dependencies.ts";
import { drainDue } from "./drain.ts";
import { GroupCommit } from "./group-commit.ts";
import { Ledger } from "./ledger.ts";
import { MIGRATIONS } from "./migrations.ts";
import { logFailure } from "./log-failure.ts";
import { type OperatorDependencies, resolvePayment, retryPayment } from "./operator-actions.ts";
import { OperatorView } from "./operator-view.ts";
import { PayoutSigning } from "./payout-signing.ts";
import { Payouts } from "./payouts.ts";
import { Receipts } from "./receipts.ts";
import { Refunds } from "./refunds.ts";
import { reconcile, requestReconciliation } from "./reconcile.ts";
import {
  RETRY_AFTER_MS,
  claimReply,
  fulfilmentReply,
  paymentStatus,
  recordReply,
} from "./replies.ts";
import { SqlStore } from "./sql-store.ts";
import { Waiters } from "./waiters.ts";

/** How long a resend is held while its payment is being worked on, before it is told to come back. */
const CLAIM_WAIT_MAX_MS = 5_000;
/** Responses, and superseded payments, removed per alarm; the bucket deletes up to 1,000 objects in one call. */
const SWEEP_LIMIT = 500;
/** The runtime fires an alarm that failed six times more, and then gives it up. */
const ALARM_RETRIES_MAX = 5;
/** Long enough for what broke it so often to be over. */
const ABANDONED_ALARM_MS = 60_000;

/**
 * The SettlementLedger of one tenant: payments, stored responses, journal and payouts in one SQLite, so that what
 * belongs together commits together. This class only connects: decisions are `src/settlement`, steps `Ledger`, rows
 * `*-rows.ts`, the alarm's work `drain.ts`.
 *
 * Every method reads or writes in one synchronous turn; the input gate keeps other events out of it and the output
 * gate holds the reply until the writes are durable. Nothing awaits between a read and the write that rests on it.
 */
export class SettlementLedger extends DurableObject<Env> {
  readonly #config: PlatformConfig;
  readonly #store: SqlStore;
  readonly #ledger: Ledger;
  readonly #payouts: Payouts;
  readonly #refunds: Refunds;
  readonly #receipts: Receipts;
  readonly #operatorView: OperatorView;
  readonly #facilitators: FacilitatorGateway;
  readonly #payoutSigning: PayoutSigning;
  /** Another claim than the caller's own is a payment that is about to be staged, and soon after to be recorded. */
  readonly #commits = new GroupCommit(() => this.#ledger.claimCount > 1);
  readonly #waiters = new Waiters();
  readonly #chains = new Map<string, ChainReader & DepositReader>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#config = configOf(env);
    migrate(ctx.storage, MIGRATIONS);
    this.#store = new SqlStore(ctx.storage);
    this.#ledger = new Ledger(this.#store);
    this.#refunds = new Refunds(this.#store, ctx.storage.sql);
    this.#payouts = new Payouts(this.#store, ctx.storage.sql, this.#refunds);
    this.#payoutSigning = new PayoutSigning(env, this.#store, this.#payouts, this.#refunds);
    this.#receipts = new Receipts(ctx.storage.sql, this.#refunds);
    this.#operatorView = new OperatorView(this.#store, ctx.storage.sql, this.#refunds);
    this.#facilitators = facilitatorGateway(env, ctx, DEFAULT_REGION);
    for (const network of this.#config.networks) {
      if (network.rpcUrl === null) continue;
      this.#chains.set(network.caip2, evmChainReader(network, network.rpcUrl));
    }
    void ctx.blockConcurrencyWhile(() => this.#store.loadAlarm());
  }

  /** Asks for the right to work on a payment; a resend waits here for the answer of the first send. */
  async claim(request: ClaimRequest): Promise<ClaimReply> {
    this.#assertOwn(request.tenantId);
    this.#ledger.noteAnswered(request.answered);
    const deadlineMs = Date.now() + CLAIM_WAIT_MAX_MS;
    let { signatureProved } = request;
    for (;;) {
      const nowMs = Date.now();
      const newPaymentId = this.#newId("pay", request.tenantId);
      const decision = this.#ledger.claim({ ...request, signatureProved }, newPaymentId, nowMs);
      if (decision.decision === "check_signatures") {
        signatureProved ??= await isSignedByPayer(request.signed);
        const { earlierClaim } = decision;
        if (earlierClaim?.signatureProved === null) {
          this.#ledger.noteSignature(earlierClaim, await isSignedByPayer(earlierClaim.signed));
        }
        continue;
      }
      if (decision.decision !== "in_progress" || nowMs >= deadlineMs)
        return claimReply(decision, (paymentId) => this.#ledger.responseOf(paymentId));
      await this.#waiters.wait(decision.paymentId, deadlineMs - nowMs);
    }
  }

  /** Gives a claim back; nothing was charged, and the payment may be claimed again. */
  async release(request: ReleaseRequest): Promise<void> {
    this.#assertOwn(request.tenantId);
    const { paymentId, fence } = request.grant;
    const ranAtMs = request.handlerRan ? Date.now() : null;
    const isReleased = this.#ledger.release(request.identity, paymentId, fence, ranAtMs);
    if (isReleased) this.#waiters.notify(paymentId);
  }

  /** Makes response and intent durable; the caller may settle only after this said `staged`. */
  async stage(request: StageRequest): Promise<StageReply> {
    this.#assertOwn(request.tenantId);
    assertOwnBody(request);
    const command = {
      ...request,
      feeAtomic: feeAtomic(request.plan, request.authorization.amountAtomic),
      retentionMs: PLANS[request.plan].retentionMs,
    };
    const decision = await this.#commits.run(() => this.#ledger.stage(command, this.#context()));
    return decision.result === "staged"
      ? { result: "staged", attempt: decision.attempt }
      : decision;
  }

  /** Takes the outcome of an attempt, whenever it arrives and whatever happened meanwhile. */
  async record(request: RecordRequest): Promise<RecordReply> {
    this.#assertOwn(request.tenantId);
    const { paymentId, attempt, outcome } = request;
    const next = { facilitatorIds: request.nextFacilitatorIds, leaseMs: request.attemptLeaseMs };
    return await this.#commits.run(() => {
      const context = this.#context();
      const payment = this.#ledger.finishAttempt(paymentId, attempt, outcome, next, context);
      if (payment === null) throw new Error(`no payment ${paymentId} to record on`);
      const run = this.#ledger.startFulfilment(payment, context);
      this.#waiters.notify(paymentId);
      return recordReply(payment, attempt, run);
    });
  }

  /** Takes the end of a run of an upfront payment's handler; its answer may leave only as `fulfilled`. */
  async recordFulfilment(request: FulfilmentRequest): Promise<FulfilmentReply> {
    this.#assertOwn(request.tenantId);
    const { paymentId, attempt } = request.grant;
    return await this.#commits.run(() => {
      const { delivered } = request;
      const context = this.#context();
      const payment = this.#ledger.finishFulfilment(paymentId, attempt, delivered, context);
      if (payment === null) throw new Error(`no payment ${paymentId} to fulfil`);
      this.#waiters.notify(paymentId);
      return fulfilmentReply(payment);
    });
  }

  /** Notes that answers carrying these payments' responses were written out to their payers. */
  async answered(tenantId: TenantId, paymentIds: readonly string[]): Promise<void> {
    this.#assertOwn(tenantId);
    this.#ledger.noteAnswered(paymentIds);
    this.#ledger.saveAnswered(this.#context());
  }

  async readPaymentStatus(tenantId: TenantId, paymentId: string): Promise<PaymentStatus | null> {
    this.#assertOwn(tenantId);
    const payment = this.#ledger.payment(paymentId);
    return payment?.direction === "incoming" ? paymentStatus(payment) : null;
  }

  async listReceipts(tenantId: TenantId, query: ReceiptQuery): Promise<ReceiptList> {
    this.#assertOwn(tenantId);
    return this.#receipts.list(query);
  }

  async readReceipt(tenantId: TenantId, paymentId: string): Promise<Receipt | null> {
    this.#assertOwn(tenantId);
    return this.#receipts.read(paymentId);
  }

  async readBalance(tenantId: TenantId, network: string, asset: string): Promise<Balance> {
    this.#assertOwn(tenantId);
    return this.#payouts.balance(network, asset);
  }

  /** Reserves a payout from confirmed credit and starts it; idempotent by key. */
  async requestPayout(request: PayoutRequest): Promise<PayoutReply<Payout>> {
    this.#assertOwn(request.tenantId);
    const payoutId = this.#newId("out", request.tenantId);
    const nonce = payoutNonce(payoutId);
    const identity = eip3009Identity(request.network, request.asset, request.payTo, nonce);
    return this.#payouts.request(request, { payoutId, nonce, identity }, Date.now());
  }

  async readPayout(tenantId: TenantId, payoutId: string): Promise<Payout | null> {
    this.#assertOwn(tenantId);
    return this.#payouts.read(payoutId);
  }

  /** Reserves what is owed to a payer and starts giving it back; of one source, once. */
  async requestRefund({ tenantId, source }: RefundRequest): Promise<RefundReply> {
    this.#assertOwn(tenantId);
    return this.#refunds.request(source, this.#newId("ref", tenantId), Date.now());
  }

  async readRefund(tenantId: TenantId, refundId: string): Promise<Refund | null> {
    this.#assertOwn(tenantId);
    return this.#refunds.read(refundId);
  }

  async listDeposits(tenantId: TenantId, query: DepositListQuery): Promise<DepositList> {
    this.#assertOwn(tenantId);
    return this.#refunds.deposits(query);
  }

  async listPayments(tenantId: TenantId, query: PaymentListQuery): Promise<AdminPaymentList> {
    this.#assertOwn(tenantId);
    return this.#operatorView.list(query);
  }

  async inspectPayment(tenantId: TenantId, paymentId: string): Promise<PaymentInspection | null> {
    this.#assertOwn(tenantId);
    return this.#operatorView.inspect(paymentId);
  }

  async retryPayment(tenantId: TenantId, paymentId: string): Promise<RetryReply> {
    this.#assertOwn(tenantId);
    return retryPayment(paymentId, this.#operatorDependencies());
  }

  async resolvePayment(
    tenantId: TenantId,
    paymentId: string,
    request: ResolveRequest,
  ): Promise<ResolveReply> {
    this.#assertOwn(tenantId);
    return await resolvePayment(paymentId, request, this.#operatorDependencies());
  }

  async listAlerts(tenantId: TenantId, query: AlertListQuery): Promise<LedgerAlertList> {
    this.#assertOwn(tenantId);
    return this.#store.alerts.list(query);
  }

  async listReconciliations(tenantId: TenantId): Promise<Reconciliation[]> {
    this.#assertOwn(tenantId);
    return this.#store.reconciliations.list();
  }

  /** Makes the books be compared with the chain by an alarm that fires now. */
  async requestReconciliation(tenantId: TenantId): Promise<void> {
    this.#assertOwn(tenantId);
    requestReconciliation(this.#store, Date.now());
  }

  /**
   * Works off what is due. It never throws for an expected failure, and it arms the next alarm last, from the rows: an
   * object that dies on the way has this one fired again, a few times. Before the last of them it arms another one.
   */
  override async alarm(alarmInfo?: AlarmInvocationInfo): Promise<void> {
    const isLastRetry = (alarmInfo?.retryCount ?? 0) >= ALARM_RETRIES_MAX;
    this.#store.alarmFired(isLastRetry ? Date.now() + ABANDONED_ALARM_MS : null);
    try {
      await drainDue(
        drainDependencies({
          tenantId: this.#ownName(),
          ledger: this.#ledger,
          store: this.#store,
          waiters: this.#waiters,
          chains: this.#chains,
          facilitators: this.#facilitators,
          payoutSigning: this.#payoutSigning,
          attemptLeaseMs: attemptLeaseMs(this.#config),
        }),
      );
      await reconcile({
        store: this.#store,
        chainOf: (network) => this.#chains.get(network) ?? null,
        openedAtMs: () => openedAtMs(this.env.DB, this.#ownName()),
        newDepositId: () => this.#newId("dep", this.#ownName()),
        now: () => Date.now(),
      });
      await forwardAlerts(this.#store.alerts, this.env, this.#ownName(), () => Date.now());
      await this.#sweepResponses();
      this.#ledger.removeSuperseded(SWEEP_LIMIT, Date.now());
    } catch (error) {
      logFailure("alarm", error);
      this.#store.rearmAt(Date.now() + RETRY_AFTER_MS);
      return;
    }
    this.#store.rearm();
  }

  /** Bodies in the bucket are deleted after the rows say so: a crash in between deletes them again. */
  async #sweepResponses(): Promise<void> {
    const objects = this.#ledger.removeExpiredResponses(SWEEP_LIMIT, this.#context());
    if (objects.length === 0) return;
    await this.env.RESPONSES.delete(objects.map(({ objectKey }) => objectKey));
    this.#ledger.forgetObjects(objects);
  }

  #operatorDependencies(): OperatorDependencies {
    return {
      payment: (paymentId) => this.#ledger.payment(paymentId),
      apply: (paymentId, event) => {
        const payment = this.#ledger.apply(paymentId, event, this.#context());
        this.#waiters.notify(paymentId);
        return payment;
      },
      chainOf: (network) => this.#chains.get(network) ?? null,
      view: (paymentId) => this.#operatorView.payment(paymentId),
    };
  }

  #context(): TransitionContext {
    return { nowMs: Date.now(), jitter: Math.random() };
  }

  #newId(kind: PaymentIdKind, tenantId: TenantId): string {
    const randomBytes = crypto.getRandomValues(new Uint8Array(PAYMENT_ID_RANDOM_BYTES));
    return makePaymentId(kind, tenantId, Date.now(), randomBytes);
  }

  #ownName(): TenantId {
    const tenantId = parseTenantId(this.ctx.id.name ?? "");
    if (tenantId === null) throw new Error("a ledger is always reached by its tenant's name");
    return tenantId;
  }

  /** A ledger answers for its own tenant only, whatever the caller's routing did. */
  #assertOwn(tenantId: TenantId): void {
    if (this.ctx.id.name !== tenantId) throw new Error("this ledger is another tenant's");
  }
}

/** A reference to another payment's body would hand its answer out. */
function assertOwnBody({ tenantId, grant, response }: StageRequest): void {
  if (response === null || response.body instanceof Uint8Array) return;
  if (!response.body.key.startsWith(`${tenantId}/${grant.paymentId}/`)) {
    throw new Error(`the body staged for ${grant.paymentId} is another payment's`);
  }
}
