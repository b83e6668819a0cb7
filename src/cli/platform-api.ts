/** The control plane (`/v1`) as typed calls: answers are checked against the contracts, failures become `CliError`s. */
import * as z from "zod";
import {
  type LimitsAnswer,
  limitsAnswerSchema,
  type OverrideList,
  overrideListSchema,
  type OverrideView,
  overrideViewSchema,
} from "../contracts/limit-overrides.ts";
import {
  type ApiKeyList,
  apiKeyListSchema,
  type RotatedApiKey,
  rotatedApiKeySchema,
} from "../contracts/api-keys.ts";
import { type ScriptBundle, type ScriptReport, scriptReportSchema } from "../contracts/script.ts";
import {
  balanceSchema,
  deploymentListSchema,
  createTenantResponseSchema,
  deploymentResponseSchema,
  payoutSchema,
  receiptListSchema,
  receiptSchema,
  uploadReportSchema,
} from "../contracts/tenant-api.ts";
import type {
  Balance,
  CreateTenantResponse,
  DeploymentList,
  DeploymentResponse,
  Payout,
  Receipt,
  ReceiptList,
  UploadReport,
} from "../contracts/tenant-api.ts";
import { type Refund, refundSchema } from "../contracts/refunds.ts";
import { walletChallengeResponseSchema } from "../contracts/wallet.ts";
import type { WalletChallengeResponse, WalletProof } from "../contracts/wallet.ts";
import { secretListSchema, secretViewSchema } from "../contracts/secrets.ts";
import type { SecretList, SecretView } from "../contracts/secrets.ts";
import {
  type SuspensionState,
  suspensionStateSchema,
  type UsageReport,
  usageReportSchema,
} from "../contracts/usage.ts";
import type { RaisedLimits } from "../tenant/limits.ts";
import { type DeletedTenant, deletedTenantSchema } from "../contracts/tenant-lifecycle.ts";
import { CliError } from "./exit-codes.ts";

const REQUEST_TIMEOUT_MS = 30_000;
/** The largest upload at a modest 1 MB/s of uplink, and the time to store it. */
const UPLOAD_TIMEOUT_MS = 5 * 60_000;

/** A gigabyte at 1 MB/s. */
const EXPORT_TIMEOUT_MS = 20 * 60_000;

const problemSchema = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.string().optional(),
});

const REMEDIES: Readonly<Record<string, string>> = {
  unauthorized: "check the API key (CLAW_API_KEY, --tenant) or the operator token",
  forbidden: "this credential belongs to someone else: check CLAW_API_KEY and --tenant",
  dataset_not_uploaded: "run `claw upload` first",
  script_not_uploaded: "run `claw deploy`, which uploads the scripts of claw.json",
  deployment_incomplete: "upload what is missing and run `claw deploy`",
  last_api_key: "run `claw key rotate` first",
  too_many_api_keys: "see `claw key list`, and revoke one",
  tenant_not_empty:
    "see `claw balance`; pay out with `claw payout`, and give back with `claw refund`",
  nothing_available: "payments become available once they are confirmed: see `claw balance`",
  insufficient_available_funds: "see `claw balance` for what is available",
};

interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Blob;
  readonly timeoutMs?: number;
}

export interface DatasetUpload {
  readonly body: Blob;
  readonly contentType: string;
  readonly key: string | undefined;
  readonly indexes: readonly string[];
  readonly types: Readonly<Record<string, string>>;
}

export interface TenantCreation {
  readonly tenantId: string;
  readonly wallet: string;
  readonly plan?: string | undefined;
  readonly collection?: string | undefined;
  readonly walletProof?: WalletProof | undefined;
}

/** One platform, one credential (an API key, or the operator's token for `createTenant`). */
export class PlatformApi {
  readonly #url: string;
  readonly #token: string;
  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  createTenant(tenant: TenantCreation): Promise<CreateTenantResponse> {
    return this.#call(createTenantResponseSchema, postJson("/v1/tenants", tenant));
  }

  challengeWallet(wallet: {
    readonly tenantId: string;
    readonly wallet: string;
  }): Promise<WalletChallengeResponse> {
    return this.#call(
      walletChallengeResponseSchema,
      postJson("/v1/tenants/wallet-challenges", wallet),
    );
  }

  uploadDataset(name: string, upload: DatasetUpload): Promise<UploadReport> {
    const query = new URLSearchParams();
    if (upload.key !== undefined) query.set("key", upload.key);
    for (const index of upload.indexes) query.append("index", index);
    for (const [column, type] of Object.entries(upload.types)) query.set(`type.${column}`, type);
    return this.#call(uploadReportSchema, {
      method: "PUT",
      path: withQuery(`/v1/datasets/${encodeURIComponent(name)}`, query),
      headers: { "Content-Type": upload.contentType },
      body: upload.body,
      timeoutMs: UPLOAD_TIMEOUT_MS,
    });
  }

  /** @param bundle whose entry module is also the script's name */
  uploadScript(bundle: ScriptBundle): Promise<ScriptReport> {
    return this.#call(scriptReportSchema, {
      method: "PUT",
      path: `/v1/scripts/${bundle.main}`,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(bundle),
      timeoutMs: UPLOAD_TIMEOUT_MS,
    });
  }

  putSecret(name: string, value: string): Promise<SecretView> {
    return this.#call(secretViewSchema, {
      ...postJson(`/v1/secrets/${encodeURIComponent(name)}`, { value }),
      method: "PUT",
    });
  }

  secrets(): Promise<SecretList> {
    return this.#call(secretListSchema, { method: "GET", path: "/v1/secrets" });
  }

  /** The answer has no body. */
  deleteSecret(name: string): Promise<null> {
    return this.#call(z.null(), {
      method: "DELETE",
      path: `/v1/secrets/${encodeURIComponent(name)}`,
    });
  }

  deploy(manifest: unknown): Promise<DeploymentResponse> {
    return this.#call(deploymentResponseSchema, postJson("/v1/deployments", manifest));
  }

  deployments(query: URLSearchParams): Promise<DeploymentList> {
    const path = withQuery("/v1/deployments", query);
    return this.#call(deploymentListSchema, { method: "GET", path });
  }

  rollBack(deploymentId: string): Promise<DeploymentResponse> {
    const path = `/v1/deployments/${encodeURIComponent(deploymentId)}/rollback`;
    return this.#call(deploymentResponseSchema, { method: "POST", path });
  }

  apiKeys(): Promise<ApiKeyList> {
    return this.#call(apiKeyListSchema, { method: "GET", path: "/v1/keys" });
  }

  rotateApiKey(overlapSeconds: number | undefined): Promise<RotatedApiKey> {
    return this.#call(rotatedApiKeySchema, postJson("/v1/keys/rotate", { overlapSeconds }));
  }

  /** The answer has no body. */
  revokeApiKey(prefix: string): Promise<null> {
    const path = `/v1/keys/${encodeURIComponent(prefix)}`;
    return this.#call(z.null(), { method: "DELETE", path });
  }

  /** As the tenant itself. */
  deleteOwnTenant(confirm: string, reason: string | undefined): Promise<DeletedTenant> {
    const query = new URLSearchParams({ confirm, ...(reason === undefined ? {} : { reason }) });
    return this.#call(deletedTenantSchema, {
      method: "DELETE",
      path: withQuery("/v1/tenant", query),
    });
  }

  /** As an operator. */
  deleteTenant(tenantId: string, reason: string): Promise<DeletedTenant> {
    const path = `/admin/tenants/${encodeURIComponent(tenantId)}/delete`;
    return this.#call(deletedTenantSchema, postJson(path, { confirm: tenantId, reason }));
  }

  /** As an operator. @param request.expiresAt ISO 8601; until it is resumed when left out */
  suspendTenant(
    tenantId: string,
    request: { readonly reason: string; readonly expiresAt?: string | undefined },
  ): Promise<SuspensionState> {
    const path = `/admin/tenants/${encodeURIComponent(tenantId)}/suspend`;
    return this.#call(suspensionStateSchema, postJson(path, request));
  }

  /** As an operator. */
  resumeTenant(tenantId: string, reason: string): Promise<SuspensionState> {
    const path = `/admin/tenants/${encodeURIComponent(tenantId)}/resume`;
    return this.#call(suspensionStateSchema, postJson(path, { reason }));
  }

  /** An answer of lines (NDJSON) as it comes. @param path of an export, or the URL of rows that it names */
  async exported(path: string): Promise<ReadableStream<Uint8Array>> {
    const { pathname } = new URL(path, this.#url);
    const request = { method: "GET", path: pathname, timeoutMs: EXPORT_TIMEOUT_MS } as const;
    const response = await this.#send(request);
    if (response.ok && response.body !== null) return response.body;
    throw refusal(response.status, parseJsonOrNull(await response.text()), this.#url);
  }

  receipts(query: URLSearchParams): Promise<ReceiptList> {
    return this.#call(receiptListSchema, { method: "GET", path: withQuery("/v1/receipts", query) });
  }

  receipt(paymentId: string): Promise<Receipt> {
    return this.#call(receiptSchema, {
      method: "GET",
      path: `/v1/receipts/${encodeURIComponent(paymentId)}`,
    });
  }

  balance(): Promise<Balance> {
    return this.#call(balanceSchema, { method: "GET", path: "/v1/balance" });
  }

  limits(): Promise<LimitsAnswer> {
    return this.#call(limitsAnswerSchema, { method: "GET", path: "/v1/limits" });
  }

  requestOverride(limits: RaisedLimits, reason: string): Promise<OverrideView> {
    return this.#call(overrideViewSchema, postJson("/v1/limit-overrides", { limits, reason }));
  }

  overrides(): Promise<OverrideList> {
    return this.#call(overrideListSchema, { method: "GET", path: "/v1/limit-overrides" });
  }

  usage(): Promise<UsageReport> {
    return this.#call(usageReportSchema, { method: "GET", path: "/v1/usage" });
  }

  /** @param amountAtomic everything available when undefined */
  createPayout(amountAtomic: bigint | undefined, idempotencyKey: string): Promise<Payout> {
    const body = amountAtomic === undefined ? {} : { amountAtomic: amountAtomic.toString() };
    return this.#call(payoutSchema, {
      ...postJson("/v1/payouts", body),
      headers: { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey },
    });
  }

  payout(payoutId: string): Promise<Payout> {
    return this.#call(payoutSchema, {
      method: "GET",
      path: `/v1/payouts/${encodeURIComponent(payoutId)}`,
    });
  }

  /** @param sourceId of a payment, or of a deposit that is no payment */
  refund(sourceId: string): Promise<Refund> {
    const kind = sourceId.startsWith("dep_") ? "deposits" : "payments";
    const path = `/v1/${kind}/${encodeURIComponent(sourceId)}/refund`;
    return this.#call(refundSchema, { method: "POST", path });
  }

  readRefund(refundId: string): Promise<Refund> {
    const path = `/v1/refunds/${encodeURIComponent(refundId)}`;
    return this.#call(refundSchema, { method: "GET", path });
  }

  async #call<Schema extends z.ZodType>(
    schema: Schema,
    request: ApiRequest,
  ): Promise<z.output<Schema>> {
    const response = await this.#send(request);
    const value = parseJsonOrNull(await response.text());
    if (!response.ok) throw refusal(response.status, value, this.#url);
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new CliError(
      "unexpected",
      `${request.method} ${request.path} answered something this version does not understand`,
      "the platform and this command may be of different versions",
    );
  }

  async #send(request: ApiRequest): Promise<Response> {
    try {
      return await fetch(`${this.#url}${request.path}`, {
        method: request.method,
        headers: { ...request.headers, Authorization: `Bearer ${this.#token}` },
        signal: AbortSignal.timeout(request.timeoutMs ?? REQUEST_TIMEOUT_MS),
        ...(request.body === undefined ? {} : { body: request.body }),
      });
    } catch (error) {
      throw unreachable(this.#url, error);
    }
  }
}

/** The error for a platform that does not answer. */
export function unreachable(url: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CliError(
    "unreachable",
    `no answer from ${new URL(url).origin}: ${reason}`,
    "start a local platform with `claw dev`, or name another with --url or CLAW_URL",
  );
}

/** The error for a problem document (RFC 9457), or for any other answer that is not 2xx. */
function refusal(status: number, value: unknown, url: string): CliError {
  const reason = status >= 500 ? "unreachable" : "refused";
  const parsed = problemSchema.safeParse(value);
  const remedy = parsed.success ? (REMEDIES[parsed.data.code] ?? null) : null;
  return new CliError(reason, describeProblem(value) ?? `${url} answered ${status}`, remedy);
}

/** A problem document in one line; null for anything else. */
export function describeProblem(value: unknown): string | null {
  const parsed = problemSchema.safeParse(value);
  if (!parsed.success) return null;
  const { code, title, detail } = parsed.data;
  return `${detail === undefined ? title : `${title}: ${detail}`} (${code})`;
}

function postJson(path: string, body: unknown): ApiRequest {
  return {
    method: "POST",
    path,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

function withQuery(path: string, query: URLSearchParams): string {
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** null for what is not JSON. */
export function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
