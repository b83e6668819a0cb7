-- How often tenants' code was refused a connection, by day and reason: counts, neither hosts nor paths.
CREATE TABLE egress_denials (
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  -- UTC, ISO 8601.
  day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  reason TEXT NOT NULL CHECK (reason <> ''),
  count INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (tenant_id, day, reason)
) STRICT, WITHOUT ROWID;
