/** How much is measured. */
export interface Plan {
  /** Signed beforehand; each ledger can take each of them once. */
  readonly payments: number;
  readonly warmUpCalls: number;
  readonly rounds: number;
  readonly paidCallsPerRound: number;
  readonly unpaidCallsPerRound: number;
  readonly slowCallsPerRound: number;
  readonly roundMsMax: number;
  /** At a slow facilitator a call takes half a second, and the connections start one after another. */
  readonly slowRoundMsMax: number;
  /** Payments in a small and in a large ledger. */
  readonly ledgerSizes: readonly [number, number];
  /** Claims per round, made inside the ledger. */
  readonly claimsPerRound: number;
}

export const CONCURRENCIES = [1, 16, 64] as const;

/** Eight minutes at most, also on a machine that has other things to do. */
export const FULL: Plan = {
  payments: 7_000,
  warmUpCalls: 1_000,
  rounds: 3,
  paidCallsPerRound: 400,
  unpaidCallsPerRound: 3_000,
  slowCallsPerRound: 96,
  roundMsMax: 2_500,
  slowRoundMsMax: 5_000,
  ledgerSizes: [1_000, 1_000_000],
  claimsPerRound: 2_000,
};

export const QUICK: Plan = {
  payments: 3_000,
  warmUpCalls: 400,
  rounds: 3,
  paidCallsPerRound: 200,
  unpaidCallsPerRound: 1_000,
  slowCallsPerRound: 48,
  roundMsMax: 2_000,
  slowRoundMsMax: 3_000,
  ledgerSizes: [1_000, 50_000],
  claimsPerRound: 500,
};
