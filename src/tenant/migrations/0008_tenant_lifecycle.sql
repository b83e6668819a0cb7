-- Which version of a tenant was on sale when: what a rollback without a choice goes back to.
CREATE TABLE activations (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_serial INTEGER NOT NULL,
  version INTEGER NOT NULL,
  at_ms INTEGER NOT NULL CHECK (at_ms > 0),
  FOREIGN KEY (tenant_serial, version) REFERENCES deployments (tenant_serial, version)
) STRICT;

CREATE INDEX activations_by_tenant ON activations (tenant_serial, sequence);

-- Every deployment went on sale when it was made; an earlier one that is active now came back after all of them.
INSERT INTO activations (tenant_serial, version, at_ms)
SELECT tenant_serial, version, created_at_ms FROM deployments ORDER BY tenant_serial, version;

INSERT INTO activations (tenant_serial, version, at_ms)
SELECT serial, active_version, MAX(deployments.created_at_ms)
FROM tenants JOIN deployments ON deployments.tenant_serial = tenants.serial
GROUP BY serial HAVING active_version < MAX(deployments.version);

-- Deletion takes a tenant's credentials at once, and what it uploaded step by step afterwards.
ALTER TABLE tenants ADD COLUMN deleted_at_ms INTEGER CHECK (deleted_at_ms > 0);
-- When nothing was left to remove.
ALTER TABLE tenants ADD COLUMN emptied_at_ms INTEGER CHECK (emptied_at_ms >= deleted_at_ms);

CREATE INDEX tenants_to_empty ON tenants (serial) WHERE status = 'deleted' AND emptied_at_ms IS NULL;

-- A tenant that revoked its last key would have locked itself out.
CREATE TRIGGER api_keys_keep_one BEFORE UPDATE OF revoked_at_ms ON api_keys
WHEN NEW.revoked_at_ms IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM api_keys
  WHERE tenant_serial = NEW.tenant_serial AND key_hash <> NEW.key_hash AND revoked_at_ms IS NULL
    AND (expires_at_ms IS NULL OR expires_at_ms > NEW.revoked_at_ms)
)
BEGIN
  SELECT RAISE(ABORT, 'a tenant keeps one valid API key');
END;
