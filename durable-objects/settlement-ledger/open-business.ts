/** What a ledger still has to do, from its rows. Read only. */
import type { OpenBusiness } from "../../src/contracts/open-business.ts";
import type { Account } from "../../src/settlement/journal.ts";

/** Accounts of money that somebody else than the platform is owed, as `OpenBusiness` names them. */
const OWED = {
  payable: "payableAtomic",
  in_flight: "inFlightAtomic",
  credits: "creditsAtomic",
  unclaimed: "unclaimedAtomic",
} as const satisfies Partial<Record<Account, string>>;

const NOTHING_OWED = {
  payableAtomic: "0",
  inFlightAtomic: "0",
  creditsAtomic: "0",
  unclaimedAtomic: "0",
};

type BalanceRow = { asset: string; account: keyof typeof OWED; amount_atomic: string };

/** @param callsInFlight claims in memory */
export function openBusiness(sql: SqlStorage, callsInFlight: number): OpenBusiness {
  // Whatever the alarm still looks after has a time; both conditions have an index that holds few payments.
  const counts = sql
    .exec<{ direction: string; count: number }>(
      `SELECT direction, COUNT(*) AS count FROM payments
       WHERE due_at_ms IS NOT NULL OR state IN ('staged', 'unknown') GROUP BY direction`,
    )
    .toArray();
  const countOf = (wanted: string) =>
    counts.find(({ direction }) => direction === wanted)?.count ?? 0;
  return {
    callsInFlight,
    payments: countOf("incoming"),
    payouts: countOf("outgoing"),
    balances: owedBalances(sql),
  };
}

/** What is paid for on Solana goes to an address of the tenant's own: of that, nothing is left to pay. */
function owedBalances(sql: SqlStorage): OpenBusiness["balances"] {
  const rows = sql
    .exec<BalanceRow>(
      `SELECT asset, account, amount_atomic FROM balances
       WHERE account IN (SELECT value FROM json_each(?)) AND amount_atomic <> '0'
         AND asset LIKE '0x%'`,
      JSON.stringify(Object.keys(OWED)),
    )
    .toArray();
  return [...Map.groupBy(rows, ({ asset }) => asset)].map(([asset, ofAsset]) => ({
    asset,
    ...NOTHING_OWED,
    // What is owed is the credit side: negative in the journal.
    ...Object.fromEntries(
      ofAsset.map((row) => [OWED[row.account], String(-BigInt(row.amount_atomic))]),
    ),
  }));
}
