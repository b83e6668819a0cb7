/**
 * What facilitators say in `invalidReason` and `errorReason`, in our vocabulary. Each has strings of its own: the
 * specification's (section 9), the reference SDK's (`@x402/evm`), those of the hosted ones. A string that is not
 * here proves nothing, and that is the point: only what is known to be checked before anything is broadcast may end
 * a payment.
 */
import type { Reason } from "./reasons.ts";

const CODES: Readonly<Record<string, Reason>> = {
  insufficient_funds: "insufficient_funds",
  invalid_exact_evm_insufficient_balance: "insufficient_funds",
  invalid_exact_evm_insufficient_funds: "insufficient_funds",
  permit2_insufficient_balance: "insufficient_funds",

  invalid_exact_evm_payload_signature: "invalid_signature",
  invalid_exact_evm_payload_signature_address: "invalid_signature",
  invalid_exact_evm_payload_authorization_typed_data_message: "invalid_signature",
  invalid_exact_evm_signature: "invalid_signature",
  invalid_exact_evm_failed_to_parse_signature: "invalid_signature",
  invalid_permit2_signature: "invalid_signature",
  invalid_exact_evm_permit2_payload_signature: "invalid_signature",
  permit2_invalid_owner: "invalid_signature",

  invalid_exact_evm_payload_authorization_valid_before: "authorization_expired",
  permit2_deadline_expired: "authorization_expired",
  invalid_exact_evm_permit2_payload_deadline: "authorization_expired",
  eip2612_deadline_expired: "authorization_expired",

  invalid_exact_evm_payload_authorization_valid_after: "authorization_not_yet_valid",
  permit2_not_yet_valid: "authorization_not_yet_valid",
  permit2_payment_too_early: "authorization_not_yet_valid",
  invalid_exact_evm_permit2_payload_valid_after: "authorization_not_yet_valid",

  invalid_exact_evm_payload_authorization_value: "amount_mismatch",
  invalid_exact_evm_payload_authorization_value_mismatch: "amount_mismatch",
  invalid_exact_evm_payload_authorization_value_too_low: "amount_mismatch",
  invalid_exact_evm_authorization_value: "amount_mismatch",
  permit2_amount_mismatch: "amount_mismatch",
  permit2_2612_amount_mismatch: "amount_mismatch",
  permit2_invalid_amount: "amount_mismatch",
  invalid_exact_evm_permit2_payload_amount: "amount_mismatch",
  upto_amount_exceeds_permitted: "amount_mismatch",
  invalid_upto_evm_payload_settlement_exceeds_amount: "amount_mismatch",

  invalid_exact_evm_payload_recipient_mismatch: "recipient_mismatch",
  invalid_exact_evm_recipient_mismatch: "recipient_mismatch",
  invalid_permit2_recipient_mismatch: "recipient_mismatch",
  permit2_invalid_destination: "recipient_mismatch",
  invalid_exact_evm_permit2_payload_recipient: "recipient_mismatch",

  permit2_token_mismatch: "asset_mismatch",
  eip2612_asset_mismatch: "asset_mismatch",

  invalid_exact_evm_network_mismatch: "network_mismatch",
  invalid_upto_evm_network_mismatch: "network_mismatch",

  invalid_exact_evm_scheme: "scheme_mismatch",
  invalid_upto_evm_scheme: "scheme_mismatch",

  invalid_exact_svm_payload_signature_invalid: "invalid_signature",
  invalid_exact_svm_payload_amount_mismatch: "amount_mismatch",
  invalid_exact_svm_payload_recipient_mismatch: "recipient_mismatch",
  invalid_exact_svm_payload_mint_mismatch: "asset_mismatch",
  invalid_exact_svm_network_mismatch: "network_mismatch",
  invalid_exact_svm_unsupported_scheme: "scheme_mismatch",
  invalid_exact_svm_payload_transaction: "invalid_payload",
  invalid_exact_svm_payload_transaction_could_not_be_decoded: "invalid_payload",
  invalid_exact_svm_payload_transaction_instructions_length: "invalid_payload",
  invalid_exact_svm_payload_transaction_fee_payer_transferring_funds: "invalid_payload",
  invalid_exact_svm_payload_no_transfer_instruction: "invalid_payload",
  invalid_exact_svm_payload_excessive_signers: "invalid_payload",
  invalid_exact_svm_payload_memo_count: "invalid_payload",
  invalid_exact_svm_payload_memo_mismatch: "invalid_payload",
  invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction: "invalid_payload",
  invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high:
    "invalid_payload",
  invalid_exact_svm_payload_transaction_instructions_compute_price_instruction: "invalid_payload",
  invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high:
    "invalid_payload",
  invalid_exact_svm_payload_unknown_fourth_instruction: "invalid_payload",
  invalid_exact_svm_payload_unknown_fifth_instruction: "invalid_payload",
  invalid_exact_svm_payload_unknown_sixth_instruction: "invalid_payload",
  invalid_exact_svm_payload_unknown_seventh_instruction: "invalid_payload",
  invalid_exact_svm_payload_unknown_optional_instruction: "invalid_payload",
  invalid_exact_svm_payload_missing_fee_payer: "invalid_payment_requirements",
  invalid_exact_svm_fee_payer_not_managed_by_facilitator: "facilitator_mismatch",
  invalid_exact_svm_fee_payer_mismatch: "facilitator_mismatch",
  invalid_exact_svm_transaction_simulation_failed: "simulation_failed",
  // Before or after the broadcast: the facilitator does not say.
  invalid_exact_svm_verification_failed: "facilitator_error",
  invalid_exact_svm_transaction_failed: "transaction_failed",
  post_settlement_transfer_not_confirmed: "transaction_failed",

  invalid_payload: "invalid_payload",
  unsupported_payload_type: "invalid_payload",
  invalid_permit2_spender: "invalid_payload",
  invalid_exact_evm_permit2_payload_spender: "invalid_payload",
  invalid_eip2612_extension_format: "invalid_payload",
  eip2612_from_mismatch: "invalid_payload",
  eip2612_spender_not_permit2: "invalid_payload",
  invalid_erc20_approval_extension_format: "invalid_payload",
  erc20_approval_from_mismatch: "invalid_payload",
  erc20_approval_asset_mismatch: "invalid_payload",
  erc20_approval_spender_not_permit2: "invalid_payload",
  erc20_approval_tx_wrong_target: "invalid_payload",
  erc20_approval_tx_wrong_selector: "invalid_payload",
  erc20_approval_tx_wrong_spender: "invalid_payload",
  erc20_approval_tx_invalid_calldata: "invalid_payload",
  erc20_approval_tx_signer_mismatch: "invalid_payload",
  erc20_approval_tx_invalid_signature: "invalid_payload",
  erc20_approval_tx_parse_failed: "invalid_payload",

  invalid_exact_evm_payload_authorization_from_address_kyt: "payment_screened",
  invalid_exact_evm_payload_authorization_to_address_kyt: "payment_screened",

  invalid_exact_evm_payload_undeployed_smart_wallet: "smart_wallet_unsupported",
  eip6492_factory_not_allowed: "smart_wallet_unsupported",

  permit2_allowance_required: "permit2_allowance_required",
  invalid_exact_evm_permit2_payload_allowance_required: "permit2_allowance_required",

  upto_facilitator_mismatch: "facilitator_mismatch",
  upto_unauthorized_facilitator: "facilitator_mismatch",

  invalid_payment_requirements: "invalid_payment_requirements",
  invalid_exact_evm_missing_eip712_domain: "invalid_payment_requirements",

  invalid_exact_evm_token_name_mismatch: "token_domain_mismatch",
  invalid_exact_evm_token_version_mismatch: "token_domain_mismatch",

  asset_not_deployed_contract: "asset_unsupported",
  invalid_exact_evm_eip3009_not_supported: "asset_unsupported",
  permit2_proxy_not_deployed: "asset_unsupported",

  invalid_exact_evm_nonce_already_used: "authorization_used",
  permit2_invalid_nonce: "authorization_used",

  duplicate_settlement: "duplicate_settlement",

  credential_bound_elsewhere: "credential_bound_elsewhere",

  invalid_transaction_state: "transaction_failed",
  invalid_exact_evm_transaction_failed: "transaction_failed",
  invalid_upto_evm_transaction_failed: "transaction_failed",
  failed_to_execute_transfer: "transaction_failed",
  settle_exact_failed_onchain: "transaction_failed",
  settle_exact_evm_transaction_confirmation_timed_out: "transaction_failed",
  // Something was broadcast on the way to the payment (a wallet, an approval), so nothing is certain.
  smart_wallet_deployment_failed: "transaction_failed",
  erc20_approval_tx_failed: "transaction_failed",
  erc20_approval_broadcast_failed: "transaction_failed",

  invalid_exact_evm_transfer_event_mismatch: "transfer_missing",

  invalid_exact_evm_transaction_simulation_failed: "simulation_failed",
  permit2_simulation_failed: "simulation_failed",

  unexpected_verify_error: "facilitator_error",
  unexpected_settle_error: "facilitator_error",
  settle_exact_node_failure: "facilitator_error",
  batch_send_failed: "facilitator_error",
  unknown_error: "facilitator_error",
  internal_server_error: "facilitator_error",

  settlement_pending: "settlement_pending",

  invalid_network: "kind_unsupported",
  invalid_scheme: "kind_unsupported",
  invalid_x402_version: "kind_unsupported",
  unsupported_scheme: "kind_unsupported",
  unsupported_network: "kind_unsupported",

  registration_required: "registration_required",

  unauthorized: "unauthorized",
  forbidden: "unauthorized",

  rate_limited: "rate_limited",
  rate_limit_exceeded: "rate_limited",

  invalid_request: "request_rejected",
};

/** A map, so that a facilitator's `constructor` or `__proto__` finds nothing. */
const REASON_OF_CODE: ReadonlyMap<string, Reason> = new Map(Object.entries(CODES));

/** The reason behind a facilitator's string; `unrecognized_reason` for everything not in the table. */
export function normalizeReason(code: string): Reason {
  return REASON_OF_CODE.get(code.toLowerCase()) ?? "unrecognized_reason";
}
