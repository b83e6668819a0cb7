/**
 * What the reasons of refused payments mean: the codes of a 402 that answers a payment. They are our own checks
 * (payment/terms.ts), what facilitators' codes are normalised to (facilitator/reasons.ts) and how a settlement can end.
 */
import type { REASON_RULES } from "../../facilitator/reasons.ts";
import type { SignInRefusal } from "../extensions/sign-in-with-x.ts";
import type { ProblemCode } from "./problem.ts";
import type { TermsRefusal } from "../terms.ts";

type ReasonRules = typeof REASON_RULES;

/** Reasons that say something about the payment; the others are about the facilitator, and answered 503. */
type PaymentReason = {
  [Reason in keyof ReasonRules]: ReasonRules[Reason]["verify"] extends "unavailable"
    ? never
    : Reason;
}[keyof ReasonRules];

export type RefusalCode = Exclude<
  PaymentReason | TermsRefusal | SignInRefusal | "authorization_canceled" | "operator_unproven",
  ProblemCode
>;

interface RefusalGuide {
  readonly cause: string;
  readonly remedy: string;
}

const SIGN_AGAIN = "Sign the quote in `PAYMENT-REQUIRED` and send the request again.";
const SIGN_IN_AGAIN = "Sign the challenge of a new 402 for this URL, or pay.";
const NEW_NONCE = "Sign again with a fresh nonce; never send one authorization for two calls.";

export const REFUSAL_GUIDES: Readonly<Record<RefusalCode, RefusalGuide>> = {
  offer_not_matched: {
    cause: "What `accepted` says is not what this route offers: another route, asset or amount.",
    remedy: "Echo one entry of `accepts` unchanged, with its `extra`.",
  },
  resource_mismatch: {
    cause: "The payment's `resource.url` is not the URL it was sent to.",
    remedy: "Ask this URL for its own quote, and echo the `resource` of that 402.",
  },
  quote_invalid: {
    cause: "The quote in `accepted.extra` was not made by this platform, or was changed.",
    remedy: SIGN_AGAIN,
  },
  quote_expired: {
    cause: "The quote is older than `maxTimeoutSeconds`; the price may have changed since.",
    remedy: SIGN_AGAIN,
  },
  scheme_mismatch: {
    cause: "The payment is of another scheme than the route offers.",
    remedy: "Use a scheme that `accepts` lists.",
  },
  network_mismatch: {
    cause: "The payment is on another network than the route offers.",
    remedy: "Pay on a network that `accepts` lists.",
  },
  asset_mismatch: {
    cause: "The payment is in another asset than the route offers.",
    remedy: "Pay in an asset that `accepts` lists.",
  },
  amount_mismatch: {
    cause: "The authorization is for another amount than the quote.",
    remedy: "Sign exactly the quoted amount, in atomic units.",
  },
  recipient_mismatch: {
    cause: "The authorization pays another address than the quote names.",
    remedy: "Sign `payTo` of the quote as the recipient.",
  },
  payer_is_payee: {
    cause: "The payer is the address that is paid: nothing would move.",
    remedy: "Pay from another wallet.",
  },
  extension_echo_mismatch: {
    cause: "The payment changes an extension that the quote told: clients may only add to it.",
    remedy: "Send `extensions` of `PAYMENT-REQUIRED` back as they came, with what you add.",
  },
  invalid_siwx_header: {
    cause: "`SIGN-IN-WITH-X` is not base64 of a proof that answers a challenge.",
    remedy: "Sign the challenge in `extensions` of `PAYMENT-REQUIRED`, or pay.",
  },
  invalid_siwx_domain_mismatch: {
    cause: "The sign-in was signed for another host.",
    remedy: SIGN_IN_AGAIN,
  },
  invalid_siwx_uri_mismatch: {
    cause: "The sign-in was signed for another URL.",
    remedy: SIGN_IN_AGAIN,
  },
  invalid_siwx_issued_at: {
    cause: "`issuedAt` of the sign-in is not a time as the challenge writes it.",
    remedy: SIGN_IN_AGAIN,
  },
  invalid_siwx_expired: {
    cause: "The challenge was made more than five minutes ago.",
    remedy: SIGN_IN_AGAIN,
  },
  invalid_siwx_nonce: {
    cause: "The challenge was not made here, or it has fetched an answer already.",
    remedy: SIGN_IN_AGAIN,
  },
  invalid_siwx_unsupported_chain: {
    cause: "The sign-in is for a chain that payments are not taken on.",
    remedy: "Sign in on a chain that `supportedChains` lists.",
  },
  invalid_siwx_signature: {
    cause:
      "The signature is not the address's over the challenge, or it is a contract wallet's, which can't be checked here.",
    remedy: "Sign in with an externally owned account; others resend their payment header.",
  },
  authorization_not_yet_valid: {
    cause: "`validAfter` of the authorization is not over yet.",
    remedy: "Sign with an earlier `validAfter`; check the clock of the machine that signs.",
  },
  authorization_expired: {
    cause: "`validBefore` of the authorization is over, or too near to settle in time.",
    remedy: "Sign again with `validBefore` at `maxTimeoutSeconds` from now; check the clock.",
  },
  authorization_valid_too_long: {
    cause: "`validBefore` is much later than `maxTimeoutSeconds` from now.",
    remedy: "Sign with `validBefore` at `maxTimeoutSeconds` from now.",
  },
  authorization_used: {
    cause: "The authorization's nonce is used up on the chain already.",
    remedy: NEW_NONCE,
  },
  authorization_canceled: {
    cause: "The payer canceled the authorization on the chain before it was settled.",
    remedy: "Sign again if you still want the answer.",
  },
  duplicate_settlement: {
    cause: "A facilitator has seen this payment settled before.",
    remedy: NEW_NONCE,
  },
  credential_bound_elsewhere: {
    cause: "A facilitator has this authorization for another call.",
    remedy: NEW_NONCE,
  },
  insufficient_funds: {
    cause: "The payer holds less of the asset than the call costs.",
    remedy: "Fund the wallet with the asset, on the network of the quote, then sign again.",
  },
  invalid_signature: {
    cause: "The signature is not the payer's over this authorization.",
    remedy:
      "Sign the authorization's EIP-712 data with `extra.name` and `extra.version` of the quote as the domain.",
  },
  token_domain_mismatch: {
    cause: "The token's EIP-712 domain is not what the payment was signed with.",
    remedy: "Sign with `extra.name` and `extra.version` of the quote as the domain.",
  },
  invalid_payload: {
    cause: "A facilitator found a field of the payload missing or malformed.",
    remedy: "Build the payload as the scheme's specification says, then sign again.",
  },
  invalid_payment_requirements: {
    cause: "A facilitator does not accept the requirements the payment was made for.",
    remedy: SIGN_AGAIN,
  },
  asset_unsupported: {
    cause: "No facilitator that can be asked takes this asset.",
    remedy: "Pay in another asset of `accepts`, if there is one.",
  },
  facilitator_mismatch: {
    cause: "The payment is bound to another facilitator than the one that can settle it here.",
    remedy: SIGN_AGAIN,
  },
  smart_wallet_unsupported: {
    cause: "The payer is a contract wallet that no facilitator here can check.",
    remedy: "Pay from an externally owned account.",
  },
  payment_screened: {
    cause: "A facilitator declines payments of this payer.",
    remedy: "Ask the facilitator, or pay from another wallet.",
  },
  simulation_failed: {
    cause: "The transfer failed when facilitators tried it without sending it.",
    remedy: "Check balance and authorization, then sign again.",
  },
  unrecognized_reason: {
    cause: "Facilitators refused the payment for a reason the platform does not know.",
    remedy: "Sign again; if it is refused again, pay from another wallet.",
  },
  operator_unproven: {
    cause: "An operator closed a settlement that could not be proved on the chain.",
    remedy:
      "Sign again. Should the first payment land after all, sending its header again says so.",
  },
};
