-- Higher limits that tenants asked for, and what operators made of it. The audit log has every step.
CREATE TABLE limit_overrides (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  override_id TEXT NOT NULL UNIQUE CHECK (override_id GLOB 'ovr_?*'),
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  -- An approved one expires by itself: there is no status for that.
  status TEXT NOT NULL CHECK (status IN ('requested', 'approved', 'denied', 'revoked')),
  -- JSON objects of values by limit, for example {"cpuMs": 500}.
  requested TEXT NOT NULL CHECK (json_type(requested) = 'object'),
  request_reason TEXT NOT NULL CHECK (request_reason <> ''),
  requested_at_ms INTEGER NOT NULL CHECK (requested_at_ms > 0),
  approved TEXT CHECK (json_type(approved) = 'object'),
  expires_at_ms INTEGER CHECK (expires_at_ms > requested_at_ms),
  -- Of the operator's last step: approval, denial or revocation.
  decided_by TEXT CHECK (decided_by <> ''),
  decision_reason TEXT CHECK (decision_reason <> ''),
  decided_at_ms INTEGER CHECK (decided_at_ms > 0),
  CHECK ((decided_by IS NULL) = (status = 'requested')),
  CHECK ((decision_reason IS NULL) = (status = 'requested')),
  CHECK ((decided_at_ms IS NULL) = (status = 'requested')),
  CHECK ((approved IS NOT NULL) = (status IN ('approved', 'revoked')))
) STRICT;

CREATE INDEX limit_overrides_by_tenant ON limit_overrides (tenant_serial, sequence);
CREATE INDEX limit_overrides_by_status ON limit_overrides (status, sequence);

-- Of two operators who decide at the same time, the second one's whole batch fails.
CREATE TRIGGER limit_overrides_step_by_step BEFORE UPDATE ON limit_overrides
WHEN NOT (
  (OLD.status = 'requested' AND NEW.status IN ('approved', 'denied'))
  OR (OLD.status = 'approved' AND NEW.status = 'revoked')
)
BEGIN
  SELECT RAISE(ABORT, 'this override was decided already');
END;
