import type { Migration } from "../../migrate.ts";
import { AMOUNT, FIRST_MIGRATIONS } from "./first-migrations.ts";

/**
 * Schema of the ledger's SQLite, as an append-only list: a released entry is never edited, because objects that
 * applied it will not apply it again. `docs/storage-schema.md` describes every table.
 */
export const MIGRATIONS: readonly Migration[] = [
  ...FIRST_MIGRATIONS,
  {
    id: "006_response_objects",
    sql: `
-- Where a body lies that is too large for chunks, and its digest.
ALTER TABLE responses ADD COLUMN object_key TEXT;
ALTER TABLE responses ADD COLUMN object_sha256 TEXT;
`,
  },
  {
    id: "007_operator",
    sql: `
-- How an operator ended a payment without evidence.
ALTER TABLE payments ADD COLUMN operator_ruling TEXT
  CHECK (operator_ruling IN ('settled', 'failed'));
ALTER TABLE payments ADD COLUMN ruled_at_ms INTEGER;

-- What operators look for. Paid calls are never in these states, so they do not write this index.
CREATE INDEX payments_unusual ON payments (state)
  WHERE state IN ('staged', 'unknown', 'failed', 'expired');

CREATE TABLE alerts_to_forward (
  alert INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  -- Null when it is about the ledger as a whole.
  payment_id TEXT,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  -- When it is to be sent to the platform's alerts; null once it is there.
  forward_at_ms INTEGER
) STRICT;
INSERT INTO alerts_to_forward (alert, kind, payment_id, detail, at_ms, forward_at_ms)
  SELECT alert, kind, payment_id, detail, at_ms, at_ms FROM alerts;
DROP TABLE alerts;
ALTER TABLE alerts_to_forward RENAME TO alerts;
CREATE INDEX alerts_waiting ON alerts (forward_at_ms) WHERE forward_at_ms IS NOT NULL;
CREATE INDEX alerts_of_payment ON alerts (payment_id);

-- The last comparison of the books with the chain.
CREATE TABLE reconciliations (
  asset TEXT NOT NULL PRIMARY KEY,
  due_at_ms INTEGER,
  network TEXT,
  account TEXT,
  outcome TEXT CHECK (outcome IN ('matches', 'surplus', 'shortfall', 'unavailable')),
  checked_at_ms INTEGER,
  deposit_atomic TEXT,
  low_atomic TEXT,
  high_atomic TEXT,
  chain_atomic TEXT,
  difference_atomic TEXT,
  -- The difference that operators were told of; null when there is none.
  alerted_atomic TEXT
) STRICT, WITHOUT ROWID;
`,
  },
  {
    id: "009_deposits_and_refunds",
    sql: `
-- The journal of whatever moves money, deposits that are no payment too: without its reference to payments.
CREATE TABLE journal_of_sources (
  -- Id of the payment, payout, refund or deposit.
  source_id TEXT NOT NULL,
  posting INTEGER NOT NULL,
  account TEXT NOT NULL
    CHECK (account IN ('deposit', 'payable', 'fees', 'in_flight', 'unclaimed', 'credits')),
  kind TEXT NOT NULL,
  asset TEXT NOT NULL,
  amount_atomic TEXT NOT NULL
    CHECK (ltrim(amount_atomic, '-') <> '' AND ltrim(amount_atomic, '-') NOT GLOB '*[^0-9]*'),
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (source_id, posting, account)
) STRICT, WITHOUT ROWID;
INSERT INTO journal_of_sources (source_id, posting, account, kind, asset, amount_atomic, at_ms)
  SELECT payment_id, posting, account, kind, asset, amount_atomic, at_ms FROM journal;
DROP TABLE journal;
ALTER TABLE journal_of_sources RENAME TO journal;

CREATE TRIGGER journal_is_append_only_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_append_only_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Transfers to the deposit account that prove no payment.
CREATE TABLE deposits (
  deposit_id TEXT NOT NULL PRIMARY KEY,
  network TEXT NOT NULL,
  asset TEXT NOT NULL,
  payer TEXT NOT NULL,
  ${AMOUNT("amount_atomic")},
  transaction_hash TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  block_number TEXT NOT NULL,
  found_at_ms INTEGER NOT NULL,
  -- The payment that it proved after all; null as long as it is unclaimed.
  claimed_by TEXT REFERENCES payments (payment_id),
  -- Booked once, however often the chain is searched.
  UNIQUE (network, transaction_hash, log_index)
) STRICT, WITHOUT ROWID;

-- Up to where transfers to the deposit account were searched: a block as deep as settlements are confirmed at.
ALTER TABLE reconciliations ADD COLUMN scanned_block TEXT;

-- What an outgoing payment gives back to its payer; null for all others.
ALTER TABLE payments ADD COLUMN refund_kind TEXT CHECK (refund_kind IN ('payment', 'deposit'));
ALTER TABLE payments ADD COLUMN refund_of TEXT;
CREATE INDEX payments_refunds ON payments (refund_of) WHERE refund_of IS NOT NULL;
-- Of what is given back, at most one refund stands.
CREATE UNIQUE INDEX payments_standing_refund ON payments (refund_of)
  WHERE refund_of IS NOT NULL AND state NOT IN ('failed', 'expired');
`,
  },
  {
    id: "008_short_rows",
    sql: `
-- A payment's row is rewritten at every step, so what never changes and is long has a row of its own.
CREATE TABLE wire_payments (
  payment_id TEXT NOT NULL PRIMARY KEY REFERENCES payments (payment_id),
  wire TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO wire_payments (payment_id, wire)
  SELECT payment_id, wire FROM payments WHERE wire IS NOT NULL;
ALTER TABLE payments DROP COLUMN wire;

-- Bodies in rows are at most 256 KiB, so each fits into its response's row.
ALTER TABLE responses ADD COLUMN body BLOB;
UPDATE responses SET body = COALESCE(
  (SELECT bytes FROM response_chunks c WHERE c.payment_id = responses.payment_id AND chunk = 0),
  zeroblob(0)
) WHERE object_key IS NULL;
DROP TABLE response_chunks;
`,
  },
  {
    id: "010_superseded_validity",
    sql: `
-- Until when the superseded authorization could land: its row goes after that. Rows from before this column are of
-- authorizations that were valid for minutes.
ALTER TABLE superseded ADD COLUMN valid_before_ms INTEGER NOT NULL DEFAULT 0;
UPDATE superseded SET valid_before_ms = at_ms + 86400000;
CREATE INDEX superseded_validity ON superseded (valid_before_ms);

-- Operators list what was paid upfront by each of its states. Other paid calls do not write this index.
DROP INDEX payments_unfulfilled;
CREATE INDEX payments_fulfilment ON payments (fulfilment) WHERE fulfilment IS NOT NULL;
`,
  },
  {
    id: "011_payment_identifiers",
    sql: `
-- A payment-identifier is one payment's, and is looked up before anything else. Payments without one do not write this.
CREATE UNIQUE INDEX payments_identifier ON payments (identifier_hash)
  WHERE identifier_hash IS NOT NULL;

-- The answers that a payer who signs in can fetch.
CREATE INDEX payments_kept ON payments (payer, request_fingerprint)
  WHERE response = 'kept' AND direction = 'incoming';

-- Nonces of sign-ins that have fetched an answer, until they would have expired anyway.
CREATE TABLE sign_in_nonces (
  nonce TEXT NOT NULL PRIMARY KEY,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_nonces_expiry ON sign_in_nonces (expires_at_ms);
`,
  },
  {
    id: "012_containment",
    sql: `
-- What the tenant used, by UTC day (2026-11-23) and month (2026-11).
CREATE TABLE usage (
  period TEXT NOT NULL PRIMARY KEY,
  calls INTEGER NOT NULL,
  charged_calls INTEGER NOT NULL,
  refused_calls INTEGER NOT NULL,
  limit_errors INTEGER NOT NULL,
  egress_bytes INTEGER NOT NULL,
  subrequests INTEGER NOT NULL,
  cpu_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  -- Those that were given, so that each is given once.
  warnings TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The flag that stops new payments: a row while it is set.
CREATE TABLE suspension (
  only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
  reason TEXT NOT NULL,
  -- Name of an operator; null when the platform did it by itself.
  suspended_by TEXT,
  since_ms INTEGER NOT NULL,
  -- When it ends by itself; null when an operator has to end it.
  until_ms INTEGER
) STRICT;
`,
  },
  {
    id: "013_receipt_urls",
    sql: `
-- The URL that a response's signed receipt is for; null when none is signed.
ALTER TABLE responses ADD COLUMN receipt_url TEXT;
`,
  },
  {
    id: "014_permit2",
    sql: `
-- 'permit2' where the payer's signature is for that contract; null where the token or the network takes it.
ALTER TABLE payments ADD COLUMN transfer_method TEXT CHECK (transfer_method = 'permit2');
-- What the payer signed at most, where the handler says what is charged (scheme upto); else null.
ALTER TABLE payments ADD COLUMN maximum_atomic TEXT;
`,
  },
  {
    id: "015_superseded_by_whom",
    sql: `
-- Whether the signature is known to be the payer's; one that is not gets nothing of the payment that stands in.
ALTER TABLE superseded ADD COLUMN signature_proved INTEGER NOT NULL DEFAULT 0;
`,
  },
];
