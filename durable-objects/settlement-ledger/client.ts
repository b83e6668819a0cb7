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
import type { OpenBusiness } from "../../src/contracts/open-business.ts";
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
import type { TenantId } from "../../src/tenant/tenant-id.ts";

/** One tenant's ledger as its callers see it. Calls reject only when the object itself breaks. */
export interface LedgerClient {
  claim(request: Omit<ClaimRequest, "tenantId">): Promise<ClaimReply>;
  readPaidAnswer(request: Omit<PaidAnswerRequest, "tenantId">): Promise<PaidAnswerReply>;
  release(request: Omit<ReleaseRequest, "tenantId">): Promise<void>;
  stage(request: Omit<StageRequest, "tenantId">): Promise<StageReply>;
  record(request: Omit<RecordRequest, "tenantId">): Promise<RecordReply>;
  recordFulfilment(request: Omit<FulfilmentRequest, "tenantId">): Promise<FulfilmentReply>;
  answered(paymentIds: readonly string[]): Promise<void>;
  reportEgress(use: EgressUse): Promise<void>;
  readContainment(): Promise<ContainmentState>;
  setSuspension(suspension: Suspension | null): Promise<void>;
  readOpenBusiness(): Promise<OpenBusiness>;
  close(suspension: Suspension): Promise<OpenBusiness>;
  readExport(query: ExportQuery): Promise<ExportPage>;
  readPaymentStatus(paymentId: string): Promise<PaymentStatus | null>;
  listReceipts(query: ReceiptQuery): Promise<ReceiptList>;
  readReceipt(paymentId: string): Promise<Receipt | null>;
  readBalance(request: { readonly network: string; readonly asset: string }): Promise<Balance>;
  requestPayout(request: Omit<PayoutRequest, "tenantId">): Promise<PayoutReply<Payout>>;
  readPayout(payoutId: string): Promise<Payout | null>;
  requestRefund(request: Omit<RefundRequest, "tenantId">): Promise<RefundReply>;
  readRefund(refundId: string): Promise<Refund | null>;
  listDeposits(query: DepositListQuery): Promise<DepositList>;
  listPayments(query: PaymentListQuery): Promise<AdminPaymentList>;
  inspectPayment(paymentId: string): Promise<PaymentInspection | null>;
  retryPayment(paymentId: string): Promise<RetryReply>;
  resolvePayment(paymentId: string, request: ResolveRequest): Promise<ResolveReply>;
  listAlerts(query: AlertListQuery): Promise<LedgerAlertList>;
  listReconciliations(): Promise<Reconciliation[]>;
  requestReconciliation(): Promise<void>;
}

/** The ledger of a tenant. Each call takes a new stub: one that has thrown is not used again. */
export function ledgerOf(env: Pick<Env, "SETTLEMENT_LEDGER">, tenantId: TenantId): LedgerClient {
  const stub = () => env.SETTLEMENT_LEDGER.getByName(tenantId);
  return {
    claim: (request) => stub().claim({ ...request, tenantId }),
    readPaidAnswer: (request) => stub().readPaidAnswer({ ...request, tenantId }),
    release: (request) => stub().release({ ...request, tenantId }),
    stage: (request) => stub().stage({ ...request, tenantId }),
    record: (request) => stub().record({ ...request, tenantId }),
    recordFulfilment: (request) => stub().recordFulfilment({ ...request, tenantId }),
    answered: (paymentIds) => stub().answered(tenantId, paymentIds),
    reportEgress: (use) => stub().reportEgress(tenantId, use),
    readContainment: () => stub().readContainment(tenantId),
    setSuspension: (suspension) => stub().setSuspension(tenantId, suspension),
    readOpenBusiness: () => stub().readOpenBusiness(tenantId),
    close: (suspension) => stub().close(tenantId, suspension),
    readExport: (query) => stub().readExport(tenantId, query),
    readPaymentStatus: (paymentId) => stub().readPaymentStatus(tenantId, paymentId),
    listReceipts: (query) => stub().listReceipts(tenantId, query),
    readReceipt: (paymentId) => stub().readReceipt(tenantId, paymentId),
    readBalance: ({ network, asset }) => stub().readBalance(tenantId, network, asset),
    requestPayout: (request) => stub().requestPayout({ ...request, tenantId }),
    readPayout: (payoutId) => stub().readPayout(tenantId, payoutId),
    requestRefund: (request) => stub().requestRefund({ ...request, tenantId }),
    readRefund: (refundId) => stub().readRefund(tenantId, refundId),
    listDeposits: (query) => stub().listDeposits(tenantId, query),
    listPayments: (query) => stub().listPayments(tenantId, query),
    inspectPayment: (paymentId) => stub().inspectPayment(tenantId, paymentId),
    retryPayment: (paymentId) => stub().retryPayment(tenantId, paymentId),
    resolvePayment: (paymentId, request) => stub().resolvePayment(tenantId, paymentId, request),
    listAlerts: (query) => stub().listAlerts(tenantId, query),
    listReconciliations: () => stub().listReconciliations(tenantId),
    requestReconciliation: () => stub().requestReconciliation(tenantId),
  };
}
