/** What the ledger hands out to a payer who has signed in: their own answers, one for each sign-in. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeEach, expect, test } from "vitest";
import { LedgerCalls } from "../support/ledger-calls.ts";

const RESPONSE = { status: 200, headers: [], body: new TextEncoder().encode("what was paid for") };

let calls: LedgerCalls;
let nonce = 0;

beforeEach(() => {
  calls = new LedgerCalls();
});

function signIn(address = "0xpayer", expiresAtMs = Date.now() + 60_000) {
  nonce += 1;
  return { address, nonce: `nonce ${nonce}`, expiresAtMs };
}

function fetchAnswer(payment: string, by = signIn()) {
  return calls.ledger.readPaidAnswer({ requestFingerprint: `request ${payment}`, signIn: by });
}

test("a payer gets the answer of the same request, and nobody else does", async () => {
  const { paymentId } = await calls.settled("01", RESPONSE);
  expect(await fetchAnswer("01")).toMatchObject({ result: "replay", paymentId });
  expect(await fetchAnswer("01", signIn("0xother"))).toEqual({ result: "nothing_paid" });
  expect(await fetchAnswer("02")).toEqual({ result: "nothing_paid" });
});

test("a sign-in fetches one answer, also when the ledger starts anew in between", async () => {
  await calls.settled("01", RESPONSE);
  const once = signIn();
  expect(await fetchAnswer("01", once)).toMatchObject({ result: "replay" });
  expect(await fetchAnswer("01", once)).toEqual({ result: "sign_in_used" });
  await evictDurableObject(calls.stub);
  expect(await fetchAnswer("01", once)).toEqual({ result: "sign_in_used" });
  expect(await fetchAnswer("01")).toMatchObject({ result: "replay" });
});

test("one that fetched nothing is not used up, and one that has expired fetches nothing", async () => {
  const early = signIn();
  expect(await fetchAnswer("01", early)).toEqual({ result: "nothing_paid" });
  await calls.settled("01", RESPONSE);
  expect(await fetchAnswer("01", signIn("0xpayer", Date.now()))).toEqual({
    result: "sign_in_used",
  });
  expect(await fetchAnswer("01", early)).toMatchObject({ result: "replay" });
});

test("a payment that is not decided yet says so: nobody is sent to pay again", async () => {
  const paymentId = await calls.staged("01", RESPONSE);
  expect(await fetchAnswer("01")).toMatchObject({ result: "in_progress", paymentId });
  await calls.record(paymentId, { class: "ambiguous", reason: "timeout", transaction: null });
  expect(await fetchAnswer("01")).toMatchObject({ result: "unknown", paymentId });
});

test("beside a payment it proves the payer once; the nonces go when they have expired", async () => {
  await calls.settled("01", RESPONSE);
  const withoutProof = {
    proofs: { quoteHash: null, identifierHash: null, idempotencyKeyHash: null },
  };
  const once = signIn("0xpayer", Date.now() + 60_000);
  expect(await calls.claim("01", withoutProof)).toMatchObject({ result: "proof_required" });
  const signedIn = { ...withoutProof, signIn: once };
  expect(await calls.claim("01", signedIn)).toMatchObject({ result: "replay" });
  expect(await calls.claim("01", signedIn)).toMatchObject({ result: "proof_required" });
  const kept = () =>
    runInDurableObject(calls.stub, (_, { storage }) => {
      storage.sql.exec("UPDATE sign_in_nonces SET expires_at_ms = 0 WHERE nonce = ?", once.nonce);
      return storage.sql.exec("SELECT nonce FROM sign_in_nonces").toArray();
    });
  expect(await kept()).toEqual([{ nonce: once.nonce }]);
  const later = signIn();
  await fetchAnswer("01", later);
  expect(await kept()).toEqual([{ nonce: later.nonce }]);
});
