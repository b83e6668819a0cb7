-- What tenants' routes need to reach their own services: encrypted with a key that is not in this database.
CREATE TABLE tenant_secrets (
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^A-Z0-9_]*'),
  -- Which of the platform's keys it is encrypted with.
  key_id TEXT NOT NULL CHECK (key_id <> ''),
  -- AES-256-GCM: 12 bytes of nonce, then the ciphertext with its tag; base64url. Bound to tenant and name.
  sealed TEXT NOT NULL CHECK (length(sealed) >= 38),
  updated_at_ms INTEGER NOT NULL CHECK (updated_at_ms > 0),
  PRIMARY KEY (tenant_serial, name)
) STRICT, WITHOUT ROWID;

-- A re-encryption finds what is left under older keys.
CREATE INDEX tenant_secrets_by_key ON tenant_secrets (key_id);
