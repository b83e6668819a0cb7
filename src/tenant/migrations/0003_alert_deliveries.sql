-- Several objects raise alerts of the platform, and each numbers its own: the number is unique per object.
CREATE TABLE alerts_of_sources (
  -- In the order of arrival.
  alert_id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- 'platform' when it is about no tenant.
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  -- Which object raised it. Empty for the tenant's ledger: there is only one.
  source TEXT NOT NULL,
  -- Number of the alert within its source: forwarding it again changes nothing.
  ledger_alert INTEGER NOT NULL CHECK (ledger_alert > 0),
  kind TEXT NOT NULL CHECK (kind <> ''),
  -- Null when it is about the ledger as a whole.
  payment_id TEXT,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL CHECK (at_ms > 0),
  UNIQUE (tenant_id, source, ledger_alert)
) STRICT;

INSERT INTO alerts_of_sources (alert_id, tenant_id, source, ledger_alert, kind, payment_id, detail, at_ms)
SELECT alert_id, tenant_id, '', ledger_alert, kind, payment_id, detail, at_ms FROM alerts;

DROP TABLE alerts;

ALTER TABLE alerts_of_sources RENAME TO alerts;

CREATE INDEX alerts_by_kind ON alerts (kind, alert_id);

-- An alert on its way to one of the webhooks that were configured when it was raised. The queue carries the id of the
-- row and nothing else: what happened is decided here, so that a message that comes twice is sent once.
CREATE TABLE alert_deliveries (
  delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
  alert_id INTEGER NOT NULL REFERENCES alerts (alert_id),
  -- Id of the webhook in the configuration.
  endpoint_id TEXT NOT NULL CHECK (endpoint_id <> ''),
  -- 'dead': given up, until an operator has it delivered again.
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
  -- Since it was raised, or since an operator had it delivered again.
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  -- No attempt starts before: when the next one is due, or the end of the lease of the one that runs.
  due_at_ms INTEGER CHECK ((due_at_ms IS NULL) = (state <> 'pending')),
  ended_at_ms INTEGER CHECK ((ended_at_ms IS NULL) = (state = 'pending')),
  -- What came of the last attempt that failed; never anything that the receiver wrote.
  last_error TEXT,
  UNIQUE (alert_id, endpoint_id)
) STRICT;

CREATE INDEX alert_deliveries_pending ON alert_deliveries (due_at_ms) WHERE state = 'pending';

CREATE INDEX alert_deliveries_dead ON alert_deliveries (delivery_id) WHERE state = 'dead';
