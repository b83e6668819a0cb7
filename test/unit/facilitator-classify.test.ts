import { describe, expect, it } from "vitest";
import { classifySettle, classifyVerify } from "../../src/facilitator/classify.ts";
import type { FacilitatorReply } from "../../src/facilitator/reply.ts";

const PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66";
const HASH = `0x${"ab".repeat(32)}`;
const NETWORK = "eip155:84532";
const EXPECTED = { network: NETWORK, payer: PAYER, amountAtomic: 10_000n };

function answered(
  status: number,
  body?: unknown,
  retryAfterMs: number | null = null,
): FacilitatorReply {
  return { kind: "answered", status, body, retryAfterMs };
}

const TIMEOUT: FacilitatorReply = { kind: "unanswered", failure: "timeout" };
const UNREACHABLE: FacilitatorReply = { kind: "unanswered", failure: "unreachable" };
/** What a reverse proxy answers in HTML. */
const HTML = undefined;

/** A settle response of the reference facilitator. */
function settleResponse(fields: Record<string, unknown>): Record<string, unknown> {
  return { success: false, transaction: "", network: NETWORK, payer: PAYER, ...fields };
}

describe("classifyVerify", () => {
  const invalid = (invalidReason: string) => answered(200, { isValid: false, invalidReason });

  it.each([
    ["reference", answered(200, { isValid: true, payer: PAYER })],
    [
      "checksummed payer",
      answered(200, { isValid: true, payer: PAYER.toUpperCase().replace("0X", "0x") }),
    ],
    ["v1 reference", answered(200, { isValid: true, invalidReason: null, payer: PAYER })],
    ["without a payer", answered(200, { isValid: true })],
    ["with unknown fields", answered(200, { isValid: true, payer: PAYER, extra: { a: 1 } })],
  ])("takes isValid true as valid: %s", (_, reply) => {
    expect(classifyVerify(reply, PAYER)).toEqual({
      outcome: { class: "valid", payer: PAYER },
      health: "healthy",
      doubtful: false,
    });
  });

  it.each([
    ["insufficient_funds", "insufficient_funds"],
    ["invalid_exact_evm_insufficient_balance", "insufficient_funds"],
    ["invalid_exact_evm_payload_signature", "invalid_signature"],
    ["invalid_exact_evm_signature", "invalid_signature"],
    ["invalid_exact_evm_payload_authorization_valid_before", "authorization_expired"],
    ["invalid_exact_evm_payload_authorization_valid_after", "authorization_not_yet_valid"],
    ["invalid_exact_evm_nonce_already_used", "authorization_used"],
    ["invalid_exact_evm_payload_authorization_from_address_kyt", "payment_screened"],
    ["permit2_allowance_required", "permit2_allowance_required"],
    ["eip6492_factory_not_allowed", "smart_wallet_unsupported"],
  ])("takes a payer's fault for final: %s", (code, reason) => {
    expect(classifyVerify(invalid(code), PAYER)).toEqual({
      outcome: { class: "invalid", reason },
      health: "neutral",
      doubtful: false,
    });
  });

  it.each([
    ["invalid_exact_evm_token_name_mismatch", "token_domain_mismatch"],
    ["invalid_exact_evm_recipient_mismatch", "recipient_mismatch"],
    ["invalid_exact_evm_payload_authorization_value_mismatch", "amount_mismatch"],
    ["invalid_exact_evm_transaction_simulation_failed", "simulation_failed"],
    ["some_reason_of_next_year", "unrecognized_reason"],
    ["__proto__", "unrecognized_reason"],
    ["", "unrecognized_reason"],
  ])(
    "doubts a rejection that our own checks or another node could contradict: %s",
    (code, reason) => {
      expect(classifyVerify(invalid(code), PAYER)).toMatchObject({
        outcome: { class: "invalid", reason },
        health: "neutral",
        doubtful: true,
      });
    },
  );

  it.each([
    ["connection lost", UNREACHABLE, "facilitator_unreachable", "unreachable"],
    ["timeout", TIMEOUT, "facilitator_timeout", "timeout"],
    ["PayAI's edge: 503 in HTML", answered(503, HTML), "facilitator_error", "server"],
    [
      "500 of a thrown error",
      answered(500, { error: "fetch failed" }),
      "facilitator_error",
      "server",
    ],
    ["502 of a proxy", answered(502, HTML), "facilitator_error", "server"],
    [
      "500 with isValid",
      answered(500, { isValid: false, invalidReason: "insufficient_funds" }),
      "facilitator_error",
      "server",
    ],
    ["HTML with 200", answered(200, HTML), "malformed_reply", "malformed"],
    ["an array", answered(200, [true]), "malformed_reply", "malformed"],
    ["isValid as text", answered(200, { isValid: "true" }), "malformed_reply", "malformed"],
    [
      "valid for another payer",
      answered(200, { isValid: true, payer: `0x${"11".repeat(20)}` }),
      "malformed_reply",
      "malformed",
    ],
    [
      "valid with 404",
      answered(404, { isValid: true, payer: PAYER }),
      "malformed_reply",
      "malformed",
    ],
    ["redirect", answered(307, HTML), "malformed_reply", "malformed"],
    ["401", answered(401, { error: "Unauthorized" }), "unauthorized", "auth"],
    ["403 of a firewall", answered(403, HTML), "unauthorized", "auth"],
    [
      "Circle: seller not registered",
      answered(403, { code: "registration_required" }),
      "registration_required",
      "neutral",
    ],
    ["404", answered(404, HTML), "endpoint_missing", "malformed"],
    [
      "CDP: schema rejection",
      answered(400, { errorType: "invalid_request", errorMessage: "…" }),
      "request_rejected",
      "neutral",
    ],
    [
      "400 without a code",
      answered(400, { error: "Bad Request" }),
      "unexplained_rejection",
      "neutral",
    ],
    ["kind withdrawn", invalid("unsupported_scheme"), "kind_unsupported", "kind_withdrawn"],
    ["network withdrawn", invalid("invalid_network"), "kind_unsupported", "kind_withdrawn"],
    ["its own failure", invalid("unexpected_verify_error"), "facilitator_error", "server"],
  ])("takes no answer from: %s", (_, reply, reason, health) => {
    expect(classifyVerify(reply, PAYER)).toEqual({
      outcome: { class: "unavailable", reason, retryAfterMs: null },
      health,
      doubtful: false,
    });
  });

  it("passes on when a 429 asks to come back", () => {
    expect(classifyVerify(answered(429, { error: "Too many requests" }, 7_000), PAYER)).toEqual({
      outcome: { class: "unavailable", reason: "rate_limited", retryAfterMs: 7_000 },
      health: "rate_limited",
      doubtful: false,
    });
  });

  it("needs the facilitator to name the payer when the payment does not", () => {
    expect(classifyVerify(answered(200, { isValid: true, payer: PAYER }), null).outcome).toEqual({
      class: "valid",
      payer: PAYER,
    });
    expect(classifyVerify(answered(200, { isValid: true }), null).outcome.class).toBe(
      "unavailable",
    );
  });
});

describe("classifySettle", () => {
  const settled = settleResponse({ success: true, transaction: HASH });

  it.each([
    ["reference", answered(200, settled)],
    ["v1 network name", answered(200, { ...settled, network: "base-sepolia" })],
    [
      "checksummed payer",
      answered(200, { ...settled, payer: PAYER.toUpperCase().replace("0X", "0x") }),
    ],
    [
      "upper-case hash",
      answered(200, { ...settled, transaction: HASH.toUpperCase().replace("0X", "0x") }),
    ],
    ["without payer", answered(200, { success: true, transaction: HASH, network: NETWORK })],
    ["with the amount", answered(200, { ...settled, amount: "10000" })],
    ["with the amount as a number", answered(200, { ...settled, amount: 10_000 })],
    ["confirmed (thirdweb)", answered(200, { ...settled, status: "confirmed" })],
    ["with a numeric status", answered(200, { ...settled, status: 200 })],
  ])(
    "believes a settlement that names hash and network, and contradicts nothing: %s",
    (_, reply) => {
      expect(classifySettle(reply, EXPECTED)).toEqual({
        outcome: { class: "settled", transaction: HASH },
        health: "healthy",
      });
    },
  );

  it.each([
    ["no hash", { transaction: "" }, null],
    ["null for a hash", { transaction: null }, null],
    ["a hash of zeros", { transaction: `0x${"0".repeat(64)}` }, null],
    ["something else for a hash", { transaction: "ok" }, null],
    ["another network", { network: "eip155:8453" }, HASH],
    ["another network by name", { network: "base" }, HASH],
    ["no network", { network: undefined }, HASH],
    ["another payer", { payer: `0x${"11".repeat(20)}` }, HASH],
    ["another amount", { amount: "9999" }, HASH],
  ])("calls success with %s ambiguous", (_, fields, transaction) => {
    expect(classifySettle(answered(200, { ...settled, ...fields }), EXPECTED)).toEqual({
      outcome: { class: "ambiguous", reason: "settlement_mismatch", transaction },
      health: "malformed",
    });
  });

  it("does not believe success that comes with an error status", () => {
    expect(classifySettle(answered(500, settled), EXPECTED).outcome).toEqual({
      class: "ambiguous",
      reason: "settlement_mismatch",
      transaction: HASH,
    });
  });

  it.each([
    [
      "reference",
      answered(200, settleResponse({ errorReason: "settlement_pending", transaction: HASH })),
      HASH,
    ],
    [
      "CDP: 500 with a hash",
      answered(500, settleResponse({ errorReason: "settlement_pending", transaction: HASH })),
      HASH,
    ],
    [
      "Circle: 200 with a paymentId",
      answered(200, { success: false, errorReason: "settlement_pending", paymentId: "p-1" }),
      null,
    ],
    [
      "Circle before: 202",
      answered(202, { status: "pending", paymentId: "p-1", retryAfterMs: 2_000 }),
      null,
    ],
    ["thirdweb: submitted", answered(200, { ...settled, status: "submitted" }), HASH],
    [
      "thirdweb: simulated",
      answered(200, { ...settled, transaction: "", waitUntil: "simulated" }),
      null,
    ],
    ["202 that claims success", answered(202, settled), HASH],
  ])("follows up what is on its way, and counts it as healthy: %s", (_, reply, transaction) => {
    expect(classifySettle(reply, EXPECTED)).toEqual({
      outcome: { class: "pending", transaction },
      health: "healthy",
    });
  });

  it.each([
    ["insufficient_funds", "insufficient_funds"],
    ["invalid_exact_evm_insufficient_balance", "insufficient_funds"],
    ["invalid_exact_evm_signature", "invalid_signature"],
    ["invalid_exact_evm_payload_authorization_valid_before", "authorization_expired"],
    ["invalid_exact_evm_token_name_mismatch", "token_domain_mismatch"],
    ["permit2_allowance_required", "permit2_allowance_required"],
    ["asset_not_deployed_contract", "asset_unsupported"],
  ])("calls only what is checked before broadcast refused: %s", (errorReason, reason) => {
    for (const status of [200, 400, 402]) {
      expect(classifySettle(answered(status, settleResponse({ errorReason })), EXPECTED)).toEqual({
        outcome: { class: "refused", reason },
        health: "neutral",
      });
    }
  });

  it("doubts a refusal with a 5xx, a hash, or outside a settle response", () => {
    const refusal = settleResponse({ errorReason: "insufficient_funds" });
    for (const reply of [
      answered(500, refusal),
      answered(200, { ...refusal, transaction: HASH }),
      answered(200, { ...refusal, transaction: "in the mempool" }),
      answered(400, { error: "insufficient_funds" }),
    ]) {
      expect(classifySettle(reply, EXPECTED).outcome.class).toBe("ambiguous");
    }
  });

  it.each([
    ["invalid_exact_evm_nonce_already_used", "authorization_used", "neutral"],
    ["permit2_invalid_nonce", "authorization_used", "neutral"],
    ["duplicate_settlement", "duplicate_settlement", "neutral"],
    ["credential_bound_elsewhere", "credential_bound_elsewhere", "neutral"],
    ["invalid_exact_evm_transaction_simulation_failed", "simulation_failed", "neutral"],
    ["invalid_exact_evm_transaction_failed", "transaction_failed", "server"],
    ["failed_to_execute_transfer", "transaction_failed", "server"],
    ["smart_wallet_deployment_failed", "transaction_failed", "server"],
    ["invalid_transaction_state", "transaction_failed", "server"],
    ["batch_send_failed", "facilitator_error", "server"],
    ["unexpected_settle_error", "facilitator_error", "server"],
    ["HTTP request failed. URL: https://…", "unrecognized_reason", "malformed"],
    ["", "unrecognized_reason", "malformed"],
  ])("calls whatever may have landed ambiguous: %s", (errorReason, reason, health) => {
    expect(classifySettle(answered(200, settleResponse({ errorReason })), EXPECTED)).toEqual({
      outcome: { class: "ambiguous", reason, transaction: null },
      health,
    });
  });

  it("keeps the hash of a reverted transaction, and does not hold it against the facilitator", () => {
    const reply = answered(
      200,
      settleResponse({ errorReason: "invalid_exact_evm_transaction_failed", transaction: HASH }),
    );
    expect(classifySettle(reply, EXPECTED)).toEqual({
      outcome: { class: "ambiguous", reason: "transaction_failed", transaction: HASH },
      health: "neutral",
    });
  });

  it.each([
    ["connection lost", UNREACHABLE, "facilitator_unreachable", "unreachable"],
    ["timeout", TIMEOUT, "facilitator_timeout", "timeout"],
    ["PayAI's edge: 503 in HTML", answered(503, HTML), "facilitator_error", "server"],
    [
      "503 that says rate limited",
      answered(503, { error: "rate_limited" }),
      "rate_limited",
      "rate_limited",
    ],
    ["500 of a thrown error", answered(500, { error: "x" }), "facilitator_error", "server"],
    ["HTML with 200", answered(200, HTML), "malformed_reply", "malformed"],
    ["an empty object", answered(200, {}), "malformed_reply", "malformed"],
    ["see other", answered(303, HTML), "malformed_reply", "malformed"],
    ["temporary redirect", answered(307, HTML), "malformed_reply", "malformed"],
    ["400 without a code", answered(400, HTML), "unexplained_rejection", "neutral"],
    ["409 without a code", answered(409, HTML), "unexplained_rejection", "neutral"],
    [
      "Circle: bound elsewhere",
      answered(409, { code: "credential_bound_elsewhere" }),
      "credential_bound_elsewhere",
      "neutral",
    ],
  ])("calls an answer that proves nothing ambiguous: %s", (_, reply, reason, health) => {
    expect(classifySettle(reply, EXPECTED)).toEqual({
      outcome: { class: "ambiguous", reason, transaction: null },
      health,
    });
  });

  it.each([
    ["401", answered(401, { error: "Unauthorized" }), "unauthorized", "auth"],
    ["403 of a firewall", answered(403, HTML), "unauthorized", "auth"],
    [
      "Circle: seller not registered",
      answered(403, { code: "registration_required" }),
      "registration_required",
      "neutral",
    ],
    ["wrong path", answered(404, HTML), "endpoint_missing", "malformed"],
    ["too large", answered(413, HTML), "request_rejected", "neutral"],
    [
      "CDP: schema rejection",
      answered(400, { errorType: "invalid_request" }),
      "request_rejected",
      "neutral",
    ],
    [
      "kind withdrawn",
      answered(400, settleResponse({ errorReason: "invalid_network" })),
      "kind_unsupported",
      "kind_withdrawn",
    ],
  ])("knows what was certainly not processed: %s", (_, reply, reason, health) => {
    expect(classifySettle(reply, EXPECTED)).toEqual({
      outcome: { class: "unavailable", reason, retryAfterMs: null },
      health,
    });
  });

  it("passes on when a 429 asks to come back", () => {
    expect(classifySettle(answered(429, HTML, 3_000), EXPECTED)).toEqual({
      outcome: { class: "unavailable", reason: "rate_limited", retryAfterMs: 3_000 },
      health: "rate_limited",
    });
  });
});
