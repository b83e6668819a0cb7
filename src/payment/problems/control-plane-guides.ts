/** What the errors mean that sellers and operators can meet (problem-guide.ts). */
import type { PAID_PATH_GUIDES } from "./paid-path-guides.ts";
import type { ProblemCode } from "./problem.ts";
import type { ProblemGuide } from "./problem-guide.ts";

export const CONTROL_PLANE_GUIDES = {
  egress_denied: {
    cause: "Code of the seller connected to a host that its allow-list does not name.",
    remedy:
      "Only code on the platform sees this: list the host (docs/egress.md). `reason` says why.",
  },
  unauthorized: {
    cause: "The request came without a credential, or with one that nobody has.",
    remedy: "Send `Authorization: Bearer …`.",
  },
  forbidden: {
    cause: "The credential is valid and not one for this.",
    remedy: "Use a credential of the right kind.",
  },
  not_found: {
    cause: "Nothing is at this URL, or not for this credential.",
    remedy: "Check the URL.",
  },
  invalid_request: {
    cause: "Fields of the request are missing, unknown or malformed.",
    remedy: "`errors` lists each field and its remedy.",
  },
  unsupported_media_type: {
    cause: "`Content-Type` is none of those this route takes.",
    remedy: "Send CSV, JSON or NDJSON with its media type.",
  },
  tenant_exists: {
    cause: "Another tenant has, or had, this id; or it is paid to this wallet.",
    remedy: "Choose another id or wallet.",
  },
  wallet_proof_invalid: {
    cause:
      "Direct collection needs the wallet's signature of a message that names platform, tenant and wallet, for this one use.",
    remedy: "Ask for a new message (`POST /v1/tenants/wallet-challenges`) and sign that one.",
  },
  tenant_not_empty: {
    cause: "The tenant still has a balance or payments that are not over.",
    remedy:
      "`open` says what: pay out, refund, or wait until the payments are decided (docs/tenants.md).",
  },
  last_api_key: {
    cause: "The key is the only one left that works.",
    remedy: "Make or rotate to another key first.",
  },
  too_many_overrides: {
    cause: "As many requests for higher limits wait, or as many overrides are in force, as may be.",
    remedy: "Wait for an operator's decision; operators revoke one first (docs/limits.md).",
  },
  override_decided: {
    cause: "The override was approved, denied or revoked before, or has expired.",
    remedy: "`detail` says what it is now; `GET /admin/limit-overrides` lists them.",
  },
  too_many_api_keys: {
    cause: "The tenant has as many API keys as one may have.",
    remedy: "Revoke one first (`GET /v1/keys`).",
  },
  dataset_not_uploaded: {
    cause: "The manifest sells a dataset that was never uploaded.",
    remedy: "Upload the dataset first.",
  },
  script_not_uploaded: {
    cause: "The manifest sells a script that was never uploaded.",
    remedy: "Upload the script first: `claw deploy` does.",
  },
  scripts_unavailable: {
    cause: "The scripts' runtime could not be reached while deploying.",
    remedy: "Deploy again after `Retry-After`. What was on sale is on sale still.",
  },
  deployment_incomplete: {
    cause: "A dataset or script that the deployment was made with was deleted since.",
    remedy: "`missing` names what is gone: upload it and deploy anew.",
  },
  price_too_small: {
    cause: "The price is cut off to nothing at the asset's last decimal.",
    remedy: "Raise the price: the asset has six decimals.",
  },
  idempotency_key_required: {
    cause: "The request moves money and has no key that makes repeating it safe.",
    remedy: "Send an `Idempotency-Key` of your own, and the same one when you repeat the request.",
  },
  idempotency_key_conflict: {
    cause: "The key came before with another request.",
    remedy: "Use a new key for another request.",
  },
  nothing_available: {
    cause: "Nothing that was settled is both confirmed and not yet paid out.",
    remedy: "Wait until settlements are confirmed on the chain.",
  },
  over_payout_cap: {
    cause: "One payout moves at most `capAtomic`.",
    remedy: "Pay out in parts of at most `capAtomic`.",
  },
  payment_decided: {
    cause: "The payment is settled or has failed for good.",
    remedy: "It has ended: there is nothing to retry or resolve.",
  },
  attempt_in_flight: {
    cause: "A settlement attempt holds the payment until its lease is over.",
    remedy: "Wait until the attempt's lease is over.",
  },
  region_unreachable: {
    cause: "The health objects of some regions did not answer.",
    remedy: "Send it again: what holds in the other regions already stays as it is.",
  },
  evidence_required: {
    cause: "A payout may not be declared paid or failed on anybody's word.",
    remedy: "Only the chain can end a payout: give the transaction, or wait.",
  },
  nothing_to_release: {
    cause: "The payment has no answer that is kept back.",
    remedy: "There is no stored answer to give out.",
  },
  nothing_to_refund: {
    cause: "The payment was delivered, or given back already.",
    remedy:
      "Only a `paid_undelivered` payment or an unclaimed deposit is given back, each once: see its `refund`.",
  },
  payment_not_confirmed: {
    cause: "The settlement is not as deep in the chain yet as is asked for.",
    remedy: "Wait until the payment is confirmed on the chain, then ask again.",
  },
  refund_may_still_land: {
    cause: "An earlier refund of this payment can still be settled on the chain.",
    remedy:
      "Ask again once the authorization of the earlier one has expired on the chain, within about an hour.",
  },
  direct_collection: {
    cause: "The tenant collects into its own wallet, which the platform can't pay from.",
    remedy: "The money never was with the platform: refund from the wallet.",
  },
  insufficient_available_funds: {
    cause: "More was asked for than is confirmed and not yet paid out.",
    remedy: "Ask for at most `availableAtomic`.",
  },
} as const satisfies Readonly<
  Record<Exclude<ProblemCode, keyof typeof PAID_PATH_GUIDES>, ProblemGuide>
>;
