import { DurableObject } from "cloudflare:workers";
import { payoutNonce } from "../../src/chain/payout-authorization.ts";
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
  ContainmentState,
  EgressUse,
  FulfilmentReply,
  FulfilmentRequest,
  PaidAnswerReply,
  PaidAnswerRequest,
  PayoutReply,
  PayoutRequest,
  ReceiptQuery,
  RecordReply,
  RecordRequest,
  ReleaseRequest,
  StageReply,
  StageRequest,
} from "../../src/contracts/ledger.ts";
import type { ExportPage, ExportQuery } from "../../src/contracts/export.ts";
import { type OpenBusiness, isSettledUp } from "../../src/contracts/open-business.ts";
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
import type { Suspension } from "../../src/contracts/usage.ts";
import { attemptLeaseMs } from "../../src/facilitator/attempt-lease.ts";
import { facilitatorGateway } from "../../src/facilitator/gateway.ts";
import type { FacilitatorGateway } from "../../src/facilitator/port.ts";
import { DEFAULT_REGION } from "../../src/facilitator/region.ts";
import { eip3009Identity } from "../../src/payment/identity.ts";
import type { TransitionContext } from "../../src/settlement/event.ts";
import { feeOf } from "../../src/tenant/plans.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { migrate } from "../migrate.ts";
import { alarmWork } from "./alarm/alarm-work.ts";
import { type ChainReaders, chainReaders } from "./chain-readers.ts";
import { type ClaimDependencies, claimPayment, paidAnswer, statusOf } from "./claim-calls.ts";
import { Containment } from "./admission/containment.ts";
import { exportPage } from "./export-rows.ts";
import { GroupCommit } from "./store/group-commit.ts";
import { Ledger } from "./ledger.ts";
import { MIGRATIONS } from "./store/migrations.ts";
import { logFailure } from "./log-failure.ts";
import { newId } from "./new-id.ts";
import { openBusiness } from "./open-business.ts";
import { type OperatorDependencies, resolvePayment, retryPayment } from "./operator-actions.ts";
import { OperatorView } from "./operator-view.ts";
import { assertOwnBody } from "./own-body.ts";
import { PayoutSigning } from "./outgoing/payout-signing.ts";
import { Payouts } from "./outgoing/payouts.ts";
import { Receipts } from "./receipts.ts";
import { Refunds } from "./outgoing/refunds.ts";
import { requestReconciliation } from "./alarm/reconcile.ts";
import { RETRY_AFTER_MS, fulfilmentReply, recordReply } from "./replies.ts";
import { SignIns } from "./sign-ins.ts";
import { SqlStore } from "./store/sql-store.ts";
import { StayAwake } from "./stay-awake.ts";
import { Waiters } from "./waiters.ts";

/** The runtime fires an alarm that failed six times more, and then gives it up. */
const ALARM_RETRIES_MAX = 5;
/** Long enough for what broke it so often to be over. */
const ABANDONED_ALARM_MS = 60_000;

/**
 * The SettlementLedger of one tenant: payments, stored responses, journal and payouts in one SQLite, so that what
 * belongs together commits together. This class only connects: decisions are `src/settlement`, steps `Ledger`, rows
 * `*-rows.ts`, the alarm's work `alarm-work.ts`.
 *
 * Every method reads or writes in one synchronous turn; the input gate keeps other events out of it and the output
 * gate holds the reply until the writes are durable. Nothing awaits between a read and the write that rests on it.
 */
export class SettlementLedger extends DurableObject<Env> {
  readonly #config: PlatformConfig;
  readonly #store: SqlStore;
  readonly #containment: Containment;
  readonly #ledger: Ledger;
  readonly #signIns: SignIns;
  readonly #payouts: Payouts;
  readonly #refunds: Refunds;
  readonly #receipts: Receipts;
  readonly #operatorView: OperatorView;
  readonly #facilitators: FacilitatorGateway;
  readonly #payoutSigning: PayoutSigning;
  /** Another claim than the caller's own is a payment that is about to be staged, and soon after to be recorded. */
  readonly #commits = new GroupCommit(() => this.#ledger.claimCount > 1);
  readonly #waiters = new Waiters();
  readonly #awake = new StayAwake(this.ctx, () => this.#ledger.liveCalls(Date.now()) > 0);
  readonly #chains: ChainReaders;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#config = configOf(env);
    migrate(ctx.storage, MIGRATIONS);
    this.#store = new SqlStore(ctx.storage);
    this.#containment = new Containment(this.#store, ctx.storage.sql);
    this.#ledger = new Ledger(this.#store, this.#containment);
    this.#signIns = new SignIns(ctx.storage.sql);
    this.#refunds = new Refunds(this.#store, ctx.storage.sql);
    this.#payouts = new Payouts(this.#store, ctx.storage.sql, this.#refunds);
    this.#payoutSigning = new PayoutSigning(env, this.#store, this.#payouts, this.#refunds);
    this.#receipts = new Receipts(ctx.storage.sql, this.#refunds);
    this.#operatorView = new OperatorView(this.#store, ctx.storage.sql, this.#refunds);
    this.#facilitators = facilitatorGateway(env, ctx, DEFAULT_REGION);
    this.#chains = chainReaders(this.#config.networks);
    void ctx.blockConcurrencyWhile(() => this.#store.loadAlarm());
  }

  /** Asks for the right to work on a payment; a resend waits here for the answer of the first send. */
  async claim(request: ClaimRequest): Promise<ClaimReply> {
    this.#assertOwn(request.tenantId);
    this.#ledger.noteAnswered(request.answered);
    const dependencies = this.#claimDependencies(request.tenantId);
    return await claimPayment(request, dependencies).finally(() => this.#awake.begin());
  }

  /** Hands out an answer that was paid for to its payer, who has signed in and needs no payment. */
  async readPaidAnswer(request: PaidAnswerRequest): Promise<PaidAnswerReply> {
    this.#assertOwn(request.tenantId);
    return paidAnswer(request, this.#claimDependencies(request.tenantId));
  }

  /** Gives a claim back; nothing was charged, and the payment may be claimed again. */
  async release(request: ReleaseRequest): Promise<void> {
    this.#assertOwn(request.tenantId);
    const { paymentId, fence } = request.grant;
    const ranAtMs = request.handlerRan ? Date.now() : null;
    const isReleased = this.#ledger.release(request.identity, paymentId, fence, ranAtMs);
    if (isReleased) this.#waiters.notify(paymentId);
    this.#containment.released(request.usage ?? null, isReleased, Date.now());
  }

  /** Makes response and intent durable; the caller may settle only after this said `staged`. */
  async stage(request: StageRequest): Promise<StageReply> {
    this.#assertOwn(request.tenantId);
    assertOwnBody(request);
    const command = { ...request, feeAtomic: feeOf(request, request.authorization.amountAtomic) };
    const decision = await this.#commits.run(() => {
      const context = this.#context();
      this.#containment.ran(request.usage ?? null, context.nowMs);
      return this.#ledger.stage(command, context);
    });
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
      this.#awake.begin();
      this.#waiters.notify(paymentId);
      return recordReply(payment, attempt, run);
    });
  }

  /** Takes the end of a run of an upfront payment's handler; its answer may leave only as `fulfilled`. */
  async recordFulfilment(request: FulfilmentRequest): Promise<FulfilmentReply> {
    this.#assertOwn(request.tenantId);
    const { paymentId, attempt } = request.grant;
    return await this.#commits.run(() => {
      const { delivered, usage = null } = request;
      const context = this.#context();
      this.#containment.ran(usage, context.nowMs);
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

  /** Counts what the tenant's code moved through the egress policy. */
  async reportEgress(tenantId: TenantId, use: EgressUse): Promise<void> {
    this.#assertOwn(tenantId);
    this.#containment.moved(use, Date.now());
  }

  async readContainment(tenantId: TenantId): Promise<ContainmentState> {
    this.#assertOwn(tenantId);
    return this.#containment.state(Date.now());
  }

  /** Immediate for new payments; what is known goes on. @param suspension null ends it */
  async setSuspension(tenantId: TenantId, suspension: Suspension | null): Promise<void> {
    this.#assertOwn(tenantId);
    this.#containment.setSuspension(suspension);
  }

  async readOpenBusiness(tenantId: TenantId): Promise<OpenBusiness> {
    this.#assertOwn(tenantId);
    return openBusiness(this.ctx.storage.sql, this.#ledger.liveCalls(Date.now()));
  }

  /** Ends sales where nothing is open any more: looking and refusing what comes next are one turn. */
  async close(tenantId: TenantId, suspension: Suspension): Promise<OpenBusiness> {
    this.#assertOwn(tenantId);
    const open = openBusiness(this.ctx.storage.sql, this.#ledger.liveCalls(Date.now()));
    if (isSettledUp(open)) this.#containment.setSuspension(suspension);
    return open;
  }

  async readExport(tenantId: TenantId, query: ExportQuery): Promise<ExportPage> {
    this.#assertOwn(tenantId);
    return exportPage(this.ctx.storage.sql, this.#payouts, this.#refunds, query);
  }

  async readPaymentStatus(tenantId: TenantId, paymentId: string): Promise<PaymentStatus | null> {
    this.#assertOwn(tenantId);
    return statusOf(paymentId, this.#claimDependencies(tenantId));
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
    const payoutId = newId("out", request.tenantId);
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
    return this.#refunds.request(source, newId("ref", tenantId), Date.now());
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
      await alarmWork({
        tenantId: this.#ownName(),
        ledger: this.#ledger,
        store: this.#store,
        waiters: this.#waiters,
        chains: this.#chains,
        facilitators: this.#facilitators,
        payoutSigning: this.#payoutSigning,
        attemptLeaseMs: attemptLeaseMs(this.#config),
        env: this.env,
        newDepositId: () => newId("dep", this.#ownName()),
      });
    } catch (error) {
      logFailure("alarm", error);
      this.#store.rearmAt(Date.now() + RETRY_AFTER_MS);
      return;
    }
    this.#store.rearm();
  }

  #claimDependencies(tenantId: TenantId): ClaimDependencies {
    return {
      ledger: this.#ledger,
      signIns: this.#signIns,
      waiters: this.#waiters,
      newPaymentId: () => newId("pay", tenantId),
      now: () => Date.now(),
    };
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
