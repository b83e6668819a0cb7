-- Where tenants are paid on Solana: addresses of their own. One belongs to one tenant for good, because a signed
-- transaction names nothing but the address that it pays, and so could be spent at each tenant that shares it.
CREATE TABLE solana_addresses (
  address TEXT NOT NULL PRIMARY KEY,
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  first_deployed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
