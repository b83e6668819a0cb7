-- What the ledgers want a person to see, over all tenants. Ledgers keep their alerts and forward copies of them here.
CREATE TABLE alerts (
  -- In the order of arrival.
  alert_id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  -- Number of the alert within the tenant's ledger: forwarding it again changes nothing.
  ledger_alert INTEGER NOT NULL CHECK (ledger_alert > 0),
  kind TEXT NOT NULL CHECK (kind <> ''),
  -- Null when it is about the ledger as a whole.
  payment_id TEXT,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL CHECK (at_ms > 0),
  UNIQUE (tenant_id, ledger_alert)
) STRICT;

CREATE INDEX alerts_by_kind ON alerts (kind, alert_id);
