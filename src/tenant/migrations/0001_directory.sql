-- The control plane's directory: who the tenants are, what they uploaded, what they deployed, who changed what.
-- Amounts are decimal TEXT in atomic units, times milliseconds since the epoch, addresses lower-case hex.

-- Numbers given to tenants, each once: deposit accounts derive from them. A number is taken before its tenant is
-- written, because the tenant's row needs the deposit account; one that is left over is lost, never reused.
CREATE TABLE tenant_serials (
  serial INTEGER PRIMARY KEY AUTOINCREMENT
) STRICT;

-- One row for every tenant there ever was. Rows are never deleted, so an id can't come to mean somebody else.
CREATE TABLE tenants (
  serial INTEGER PRIMARY KEY REFERENCES tenant_serials (serial),
  tenant_id TEXT NOT NULL UNIQUE
    CHECK (length(tenant_id) BETWEEN 3 AND 32 AND tenant_id NOT GLOB '*[^a-z0-9-]*'),
  plan TEXT NOT NULL CHECK (plan IN ('free', 'pro', 'scale')),
  -- Where payouts go.
  wallet TEXT NOT NULL
    CHECK (length(wallet) = 42 AND wallet GLOB '0x*' AND substr(wallet, 3) NOT GLOB '*[^0-9a-f]*'),
  collection TEXT NOT NULL CHECK (collection IN ('treasury', 'direct')),
  -- CAIP-2 network the tenant sells on.
  network TEXT NOT NULL CHECK (network <> ''),
  -- Where payments arrive: unique over the platform, so that an authorization can be spent at one tenant only.
  pay_to TEXT NOT NULL UNIQUE
    CHECK (length(pay_to) = 42 AND pay_to GLOB '0x*' AND substr(pay_to, 3) NOT GLOB '*[^0-9a-f]*'),
  status TEXT NOT NULL CHECK (status IN ('active', 'deleted')),
  -- Version of the deployment on sale; NULL before the first one.
  active_version INTEGER,
  created_at_ms INTEGER NOT NULL CHECK (created_at_ms > 0),
  -- A deposit account that pays out to itself would turn in circles.
  CHECK (collection = 'direct' OR pay_to <> wallet),
  FOREIGN KEY (serial, active_version) REFERENCES deployments (tenant_serial, version)
) STRICT;

CREATE TRIGGER tenants_pay_out_of_the_platform BEFORE INSERT ON tenants
WHEN EXISTS (SELECT 1 FROM tenants WHERE pay_to = NEW.wallet)
BEGIN
  SELECT RAISE(ABORT, 'this wallet receives the payments of a tenant');
END;

CREATE TRIGGER tenants_are_never_deleted BEFORE DELETE ON tenants
BEGIN
  SELECT RAISE(ABORT, 'a tenant row is never deleted');
END;

CREATE TRIGGER tenants_keep_their_identity BEFORE UPDATE OF serial, tenant_id, pay_to ON tenants
BEGIN
  SELECT RAISE(ABORT, 'serial, tenant_id and pay_to of a tenant never change');
END;

CREATE TABLE api_keys (
  -- SHA-256 of the key, lower-case hex. The key itself is shown to its owner once and kept nowhere.
  key_hash TEXT PRIMARY KEY
    CHECK (length(key_hash) = 64 AND key_hash NOT GLOB '*[^0-9a-f]*'),
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  -- First characters of the key, by which people tell their keys apart.
  prefix TEXT NOT NULL CHECK (length(prefix) = 12),
  created_at_ms INTEGER NOT NULL CHECK (created_at_ms > 0),
  expires_at_ms INTEGER CHECK (expires_at_ms > created_at_ms),
  revoked_at_ms INTEGER CHECK (revoked_at_ms >= created_at_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant_serial, created_at_ms);

-- Every upload makes a version of a dataset, which never changes; the newest one is what the next deployment takes.
CREATE TABLE dataset_versions (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  name TEXT NOT NULL CHECK (name <> ''),
  version TEXT NOT NULL CHECK (version <> ''),
  -- Name of the DatasetStore object that holds the rows.
  store TEXT NOT NULL UNIQUE CHECK (store <> ''),
  -- JSON array of {name, type, nullable}.
  columns TEXT NOT NULL CHECK (json_type(columns) = 'array'),
  key_column TEXT CHECK (key_column <> ''),
  -- JSON array of column names.
  indexes TEXT NOT NULL CHECK (json_type(indexes) = 'array'),
  rows INTEGER NOT NULL CHECK (rows >= 0),
  -- Size of the body that was uploaded.
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  created_at_ms INTEGER NOT NULL CHECK (created_at_ms > 0),
  UNIQUE (tenant_serial, name, version)
) STRICT;

CREATE INDEX dataset_versions_newest ON dataset_versions (tenant_serial, name, sequence);

CREATE TABLE deployments (
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  -- 1, 2, 3, ... within the tenant.
  version INTEGER NOT NULL CHECK (version > 0),
  deployment_id TEXT NOT NULL UNIQUE CHECK (deployment_id GLOB 'dep_?*'),
  -- What the tenant sent, parsed: JSON.
  manifest TEXT NOT NULL CHECK (json_type(manifest) = 'object'),
  -- What is sold, as the snapshot publishes it: JSON array of routes, dataset versions pinned.
  routes TEXT NOT NULL CHECK (json_type(routes) = 'array'),
  created_at_ms INTEGER NOT NULL CHECK (created_at_ms > 0),
  PRIMARY KEY (tenant_serial, version)
) STRICT;

CREATE TRIGGER deployments_never_change BEFORE UPDATE ON deployments
BEGIN
  SELECT RAISE(ABORT, 'a deployment never changes');
END;

-- Every write of tenants and operators, in the same batch as the write it tells of. Details hold no secrets.
CREATE TABLE audit (
  audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL CHECK (at_ms > 0),
  -- 'operator' or 'tenant'; whose tenant is in tenant_id.
  actor TEXT NOT NULL CHECK (actor IN ('operator', 'tenant')),
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  -- For example 'deployment.create'.
  action TEXT NOT NULL CHECK (action <> ''),
  -- Id or name of what was written.
  subject TEXT NOT NULL CHECK (subject <> ''),
  detail TEXT NOT NULL CHECK (json_type(detail) = 'object')
) STRICT;

CREATE INDEX audit_by_tenant ON audit (tenant_id, audit_id);

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;
