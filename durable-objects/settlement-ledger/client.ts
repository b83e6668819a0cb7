import type {
  ClaimReply,
  ClaimRequest,
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
import type { TenantId } from "../../src/tenant/tenant-id.ts";

/** One tenant's ledger as its callers see it. Calls reject only when the object itself breaks. */
export interface LedgerClient {
  claim(request: Omit<ClaimRequest, "tenantId">): Promise<ClaimReply>;
  release(request: Omit<ReleaseRequest, "tenantId">): Promise<void>;
  stage(request: Omit<StageRequest, "tenantId">): Promise<StageReply>;
  record(request: Omit<RecordRequest, "tenantId">): Promise<RecordReply>;
  answered(paymentIds: readonly string[]): Promise<void>;
  readPaymentStatus(paymentId: string): Promise<PaymentStatus | null>;
  listReceipts(query: ReceiptQuery): Promise<ReceiptList>;
  readReceipt(paymentId: string): Promise<Receipt | null>;
  readBalance(request: { readonly network: string; readonly asset: string }): Promise<Balance>;
  requestPayout(request: Omit<PayoutRequest, "tenantId">): Promise<PayoutReply<Payout>>;
  readPayout(payoutId: string): Promise<Payout | null>;
}

/** The ledger of a tenant. Each call takes a new stub: one that has thrown is not used again. */
export function ledgerOf(env: Pick<Env, "SETTLEMENT_LEDGER">, tenantId: TenantId): LedgerClient {
  const stub = () => env.SETTLEMENT_LEDGER.getByName(tenantId);
  return {
    claim: (request) => stub().claim({ ...request, tenantId }),
    release: (request) => stub().release({ ...request, tenantId }),
    stage: (request) => stub().stage({ ...request, tenantId }),
    record: (request) => stub().record({ ...request, tenantId }),
    answered: (paymentIds) => stub().answered(tenantId, paymentIds),
    readPaymentStatus: (paymentId) => stub().readPaymentStatus(tenantId, paymentId),
    listReceipts: (query) => stub().listReceipts(tenantId, query),
    readReceipt: (paymentId) => stub().readReceipt(tenantId, paymentId),
    readBalance: ({ network, asset }) => stub().readBalance(tenantId, network, asset),
    requestPayout: (request) => stub().requestPayout({ ...request, tenantId }),
    readPayout: (payoutId) => stub().readPayout(tenantId, payoutId),
  };
}
