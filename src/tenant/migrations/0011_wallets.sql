-- Messages that a wallet may sign to prove whose it is. A row is taken by the tenant that is made with it: once.
CREATE TABLE wallet_challenges (
  nonce TEXT PRIMARY KEY CHECK (nonce <> ''),
  tenant_id TEXT NOT NULL CHECK (tenant_id <> ''),
  wallet TEXT NOT NULL CHECK (length(wallet) = 42),
  issued_at_ms INTEGER NOT NULL CHECK (issued_at_ms > 0),
  expires_at_ms INTEGER NOT NULL CHECK (expires_at_ms > issued_at_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_challenges_expired ON wallet_challenges (expires_at_ms);

-- Another wallet for payouts takes effect after a while, so that whoever stole a key can't take the money at once.
CREATE TABLE wallet_changes (
  change_id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_serial INTEGER NOT NULL REFERENCES tenants (serial),
  wallet TEXT NOT NULL
    CHECK (length(wallet) = 42 AND wallet GLOB '0x*' AND substr(wallet, 3) NOT GLOB '*[^0-9a-f]*'),
  requested_at_ms INTEGER NOT NULL CHECK (requested_at_ms > 0),
  effective_at_ms INTEGER NOT NULL CHECK (effective_at_ms > requested_at_ms),
  state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'canceled')),
  -- Whether operators have been told of its state.
  announced INTEGER NOT NULL CHECK (announced IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX wallet_changes_pending ON wallet_changes (tenant_serial) WHERE state = 'pending';
CREATE INDEX wallet_changes_due ON wallet_changes (effective_at_ms) WHERE state = 'pending';
CREATE INDEX wallet_changes_unannounced ON wallet_changes (change_id) WHERE announced = 0;

-- Where a tenant is paid, nobody is paid out to, now or after a pending change. Otherwise a payout, which anybody can
-- see, could be shown to the tenant that receives it as a payment.
DROP TRIGGER tenants_pay_out_of_the_platform;

CREATE TRIGGER tenants_pay_out_of_the_platform BEFORE INSERT ON tenants
WHEN EXISTS (SELECT 1 FROM tenants WHERE pay_to = NEW.wallet OR wallet = NEW.pay_to)
  OR EXISTS (SELECT 1 FROM wallet_changes WHERE state = 'pending' AND wallet = NEW.pay_to)
BEGIN
  SELECT RAISE(ABORT, 'this wallet receives the payments of a tenant');
END;

CREATE TRIGGER wallet_changes_pay_out_of_the_platform BEFORE INSERT ON wallet_changes
WHEN EXISTS (SELECT 1 FROM tenants WHERE pay_to = NEW.wallet)
BEGIN
  SELECT RAISE(ABORT, 'this wallet receives the payments of a tenant');
END;

CREATE TRIGGER direct_wallets_never_change BEFORE UPDATE OF wallet ON tenants
WHEN OLD.collection = 'direct' OR NEW.wallet = NEW.pay_to
BEGIN
  SELECT RAISE(ABORT, 'the wallet of a tenant that is paid directly never changes');
END;
