-- The control plane's directory. Amounts are decimal TEXT, times milliseconds since the epoch.
CREATE TABLE tenants (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL UNIQUE
) STRICT;
