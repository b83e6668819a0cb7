-- Code that is in this environment's dispatch namespace, under which name: what deployments need not upload again, and
-- what may be dispatched.
CREATE TABLE namespace_scripts (
  dispatch_key TEXT PRIMARY KEY CHECK (dispatch_key <> ''),
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  -- SHA-256 of the code, lower-case hex.
  version TEXT NOT NULL CHECK (length(version) = 64 AND version NOT GLOB '*[^0-9a-f]*'),
  uploaded_at_ms INTEGER NOT NULL CHECK (uploaded_at_ms > 0),
  UNIQUE (tenant_serial, version)
) STRICT, WITHOUT ROWID;
