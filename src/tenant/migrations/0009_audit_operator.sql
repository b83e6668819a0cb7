-- Operators have names: which of them it was. Null for tenants, and for what happened before operators were named.
ALTER TABLE audit ADD COLUMN operator TEXT
  CHECK (operator IS NULL OR (operator <> '' AND actor = 'operator'));

CREATE INDEX audit_by_operator ON audit (operator, audit_id);
