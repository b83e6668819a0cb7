-- Tenants' own code. The code itself is in R2 under its version; a row is an upload, and the newest one of a name is
-- what the next deployment takes. Uploading an earlier version again makes it the newest: versions repeat, uploads don't.
CREATE TABLE script_uploads (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  -- Name of the entry module, for example score.js.
  name TEXT NOT NULL CHECK (name <> ''),
  -- SHA-256 of the code, lower-case hex.
  version TEXT NOT NULL CHECK (length(version) = 64 AND version NOT GLOB '*[^0-9a-f]*'),
  -- JSON array of {name, type, bytes}.
  modules TEXT NOT NULL CHECK (json_type(modules) = 'array'),
  -- Size of all modules.
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  created_at_ms INTEGER NOT NULL CHECK (created_at_ms > 0)
) STRICT;

CREATE INDEX script_uploads_newest ON script_uploads (tenant_serial, name, sequence);

-- How often a tenant's code passed a limit of its plan, by day (UTC, ISO 8601). Nothing was sold in those calls.
CREATE TABLE limit_exceedances (
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  -- cpu, memory, cpu_or_memory, subrequests or deadline.
  limit_name TEXT NOT NULL CHECK (limit_name <> ''),
  count INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (tenant_id, day, limit_name)
) STRICT, WITHOUT ROWID;
