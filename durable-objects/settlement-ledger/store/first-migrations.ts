import type { Migration } from "../../migrate.ts";

/** Decimal text without sign; SQLite integers would lose digits beyond 2^53 on the way out. */
export const AMOUNT = (column: string) =>
  `${column} TEXT NOT NULL CHECK (${column} <> '' AND ${column} NOT GLOB '*[^0-9]*')`;

/** The schema as it was first released. `migrations.ts` goes on from there. */
export const FIRST_MIGRATIONS: readonly Migration[] = [
  {
    id: "001_payments",
    sql: `
CREATE TABLE payments (
  -- Ids begin with their time, so that inserts append and receipts page in order.
  payment_id TEXT NOT NULL PRIMARY KEY,
  direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
  state TEXT NOT NULL CHECK (
    state IN ('staged', 'settling', 'unknown', 'settled', 'confirmed', 'failed', 'expired')
  ),
  -- One authorization is one payment, whatever wraps it.
  identity TEXT NOT NULL UNIQUE,
  payload_digest TEXT NOT NULL,
  request_fingerprint TEXT NOT NULL,
  quote_hash TEXT,
  identifier_hash TEXT,
  idempotency_key_hash TEXT,
  network TEXT NOT NULL,
  asset TEXT NOT NULL,
  payer TEXT NOT NULL,
  payee TEXT NOT NULL,
  ${AMOUNT("amount_atomic")},
  nonce TEXT NOT NULL,
  valid_after_ms INTEGER NOT NULL,
  valid_before_ms INTEGER NOT NULL,
  ${AMOUNT("fee_atomic")},
  bound_facilitator_id TEXT,
  attempts TEXT NOT NULL,
  transaction_hash TEXT,
  failure TEXT,
  response TEXT NOT NULL CHECK (response IN ('kept', 'removed', 'none')),
  resign_guard INTEGER NOT NULL CHECK (resign_guard IN (0, 1)),
  replay_grace_ms INTEGER NOT NULL,
  route_path TEXT NOT NULL,
  method TEXT NOT NULL,
  url TEXT NOT NULL,
  -- What facilitators are sent; null for a payout that is not signed yet.
  wire TEXT,
  claimed_at_ms INTEGER NOT NULL,
  settled_at_ms INTEGER,
  confirmed_at_ms INTEGER,
  answered_at_ms INTEGER,
  chain_checked_at_ms INTEGER,
  retry_count INTEGER NOT NULL,
  due_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_due ON payments (due_at_ms) WHERE due_at_ms IS NOT NULL;

-- The re-sign guard asks for a payer's unanswered payments of one request.
CREATE INDEX payments_unanswered ON payments (payer, request_fingerprint)
  WHERE answered_at_ms IS NULL AND direction = 'incoming';

-- What counts as payable but not yet as available.
CREATE INDEX payments_unconfirmed ON payments (state) WHERE state = 'settled';

-- The one log that proves a settlement proves one settlement only.
CREATE TABLE evidence (
  network TEXT NOT NULL,
  transaction_hash TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  payment_id TEXT NOT NULL UNIQUE REFERENCES payments (payment_id),
  block_number TEXT NOT NULL,
  block_hash TEXT NOT NULL,
  block_timestamp_ms INTEGER NOT NULL,
  PRIMARY KEY (network, transaction_hash, log_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE superseded (
  identity TEXT NOT NULL PRIMARY KEY,
  payment_id TEXT NOT NULL,
  payload_digest TEXT NOT NULL,
  request_fingerprint TEXT NOT NULL,
  superseded_by TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
  },
  {
    id: "002_responses",
    sql: `
CREATE TABLE responses (
  payment_id TEXT NOT NULL PRIMARY KEY REFERENCES payments (payment_id),
  status INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body_bytes INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_expiry ON responses (expires_at_ms);

CREATE TABLE response_chunks (
  payment_id TEXT NOT NULL REFERENCES responses (payment_id) ON DELETE CASCADE,
  chunk INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (payment_id, chunk)
) STRICT;
`,
  },
  {
    id: "003_journal",
    sql: `
-- Append-only: history is corrected by a reversing posting, never by an edit.
CREATE TABLE journal (
  payment_id TEXT NOT NULL REFERENCES payments (payment_id),
  posting INTEGER NOT NULL,
  account TEXT NOT NULL
    CHECK (account IN ('deposit', 'payable', 'fees', 'in_flight', 'unclaimed')),
  kind TEXT NOT NULL,
  asset TEXT NOT NULL,
  amount_atomic TEXT NOT NULL
    CHECK (ltrim(amount_atomic, '-') <> '' AND ltrim(amount_atomic, '-') NOT GLOB '*[^0-9]*'),
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (payment_id, posting, account)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_is_append_only_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_append_only_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- A cache of the journal's sums: recomputable, and recomputed by the tests.
CREATE TABLE balances (
  asset TEXT NOT NULL,
  account TEXT NOT NULL,
  amount_atomic TEXT NOT NULL,
  PRIMARY KEY (asset, account)
) STRICT, WITHOUT ROWID;
`,
  },
  {
    id: "004_payouts_and_alerts",
    sql: `
CREATE TABLE payout_requests (
  idempotency_key TEXT NOT NULL PRIMARY KEY,
  payment_id TEXT NOT NULL UNIQUE REFERENCES payments (payment_id),
  -- What was asked for, so that a replay with another amount is told apart; null asked for everything.
  requested_atomic TEXT,
  tenant_serial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
  alert INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  payment_id TEXT NOT NULL,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
`,
  },
  {
    id: "005_upfront_payments",
    sql: `
-- What is owed for a payment that settled before its handler ran; null for all others.
ALTER TABLE payments ADD COLUMN fulfilment TEXT
  CHECK (fulfilment IN ('pending', 'fulfilled', 'undelivered'));
ALTER TABLE payments ADD COLUMN fulfilment_attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payments ADD COLUMN fulfil_before_ms INTEGER;

-- The state that payers, tenants and operators are shown.
ALTER TABLE payments ADD COLUMN shown_state TEXT GENERATED ALWAYS AS (
  CASE
    WHEN fulfilment IS NULL OR state NOT IN ('settled', 'confirmed') THEN state
    WHEN fulfilment = 'pending' THEN 'settled_unfulfilled'
    WHEN fulfilment = 'undelivered' THEN 'paid_undelivered'
    ELSE fulfilment
  END
) VIRTUAL;

-- What is paid and may still have to be given back.
CREATE INDEX payments_unfulfilled ON payments (fulfilment) WHERE fulfilment = 'pending';

-- The journal with one account more, credits: a CHECK can't be altered in place.
CREATE TABLE journal_with_credits (
  payment_id TEXT NOT NULL REFERENCES payments (payment_id),
  posting INTEGER NOT NULL,
  account TEXT NOT NULL
    CHECK (account IN ('deposit', 'payable', 'fees', 'in_flight', 'unclaimed', 'credits')),
  kind TEXT NOT NULL,
  asset TEXT NOT NULL,
  amount_atomic TEXT NOT NULL
    CHECK (ltrim(amount_atomic, '-') <> '' AND ltrim(amount_atomic, '-') NOT GLOB '*[^0-9]*'),
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (payment_id, posting, account)
) STRICT, WITHOUT ROWID;
INSERT INTO journal_with_credits SELECT * FROM journal;
DROP TABLE journal;
ALTER TABLE journal_with_credits RENAME TO journal;

CREATE TRIGGER journal_is_append_only_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_append_only_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
`,
  },
];
