-- What tenants' code moved through the egress Worker, on its way to their ledgers. A row is taken away as it is sent on.
CREATE TABLE egress_uses (
  tenant_id TEXT NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  egress_bytes INTEGER NOT NULL CHECK (egress_bytes >= 0),
  subrequests INTEGER NOT NULL CHECK (subrequests >= 0)
) STRICT, WITHOUT ROWID;
