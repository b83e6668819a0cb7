import { type Hex, pad, toEventSelector, toHex } from "viem";
import { describe, expect, it } from "vitest";
import {
  type EvmLog,
  findSettlementTransfer,
  isCancellation,
  spendingTopics,
} from "../../src/chain/settlement-logs.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";

const TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
const OTHER_TOKEN = "0x00000000000000000000000000000000000070c0";
const PAYER = "0x00000000000000000000000000000000000000aa";
const PAYEE = "0x00000000000000000000000000000000000000bb";
const STRANGER = "0x00000000000000000000000000000000000000cc";

const authorization: Authorization = {
  network: "eip155:84532",
  asset: TOKEN,
  payer: PAYER,
  payee: PAYEE,
  amountAtomic: 1_000n,
  nonce: toHex(1, { size: 32 }),
  validAfterMs: 0,
  validBeforeMs: 60_000,
};

const topic = (address: Hex) => pad(address, { size: 32 });

function log(logIndex: number, topics: readonly Hex[], data: Hex = "0x", address: Hex = TOKEN) {
  return { address, topics, data, blockNumber: 7n, transaction: "0x01", logIndex } as const;
}

function used(logIndex: number, payer: Hex = PAYER, nonce = authorization.nonce): EvmLog {
  return log(logIndex, [
    toEventSelector("AuthorizationUsed(address,bytes32)"),
    topic(payer),
    nonce as Hex,
  ]);
}

function transfer(
  logIndex: number,
  { from = PAYER, to = PAYEE, amount = 1_000n, token = TOKEN } = {},
): EvmLog {
  return log(
    logIndex,
    [toEventSelector("Transfer(address,address,uint256)"), topic(from as Hex), topic(to as Hex)],
    toHex(amount, { size: 32 }),
    token as Hex,
  );
}

const nonceOf = (value: number) => toHex(value, { size: 32 });

describe("the transfer that settled an authorization", () => {
  it("is the token's next log after its use", () => {
    const logs = [used(4), transfer(5)];
    expect(findSettlementTransfer(logs, authorization)?.logIndex).toBe(5);
  });

  it("is found whatever order the node gives the logs in", () => {
    const logs = [transfer(5), used(4)];
    expect(findSettlementTransfer(logs, authorization)?.logIndex).toBe(5);
  });

  it("may have another contract's logs between it and the use", () => {
    const logs = [used(4), transfer(5, { token: OTHER_TOKEN }), transfer(6)];
    expect(findSettlementTransfer(logs, authorization)?.logIndex).toBe(6);
  });

  it("is the right one of several equal transfers in one transaction", () => {
    const logs = [
      used(0, PAYER, nonceOf(9)),
      transfer(1),
      used(2),
      transfer(3),
      used(4, PAYER, nonceOf(8)),
      transfer(5),
    ];
    expect(findSettlementTransfer(logs, authorization)?.logIndex).toBe(3);
  });

  it.each([
    ["there is no use of this authorization", [transfer(5)]],
    ["another nonce of the payer was used", [used(4, PAYER, nonceOf(2)), transfer(5)]],
    ["the same nonce of another payer was used", [used(4, STRANGER), transfer(5)]],
    ["the use is the last log", [transfer(3), used(4)]],
    ["the transfer comes before the use", [transfer(4), used(5)]],
    ["the next transfer goes to somebody else", [used(4), transfer(5, { to: STRANGER })]],
    ["the next transfer comes from somebody else", [used(4), transfer(5, { from: STRANGER })]],
    ["the next transfer is of less", [used(4), transfer(5, { amount: 999n })]],
    ["the next transfer is of more", [used(4), transfer(5, { amount: 1_001n })]],
    ["the transfer is of another token", [used(4), transfer(5, { token: OTHER_TOKEN })]],
    [
      "a matching transfer follows one that does not",
      [used(4), transfer(5, { amount: 1n }), transfer(6)],
    ],
    ["a matching transfer follows another use", [used(4), used(5, STRANGER), transfer(6)]],
  ])("is not there when %s", (_situation, logs) => {
    expect(findSettlementTransfer(logs, authorization)).toBeNull();
  });

  it("is not a log with the topics of an indexed amount", () => {
    const indexed = { ...transfer(5), data: "0x" as const };
    const topics = [...indexed.topics, toHex(1_000n, { size: 32 })];
    expect(findSettlementTransfer([used(4), { ...indexed, topics }], authorization)).toBeNull();
  });
});

describe("the logs that spend an authorization", () => {
  it("are asked for by payer and nonce, used or cancelled", () => {
    const [events, payer, nonce] = spendingTopics(authorization);
    expect(events).toEqual([
      "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5",
      "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81",
    ]);
    expect(payer).toBe(`0x${"0".repeat(24)}${PAYER.slice(2)}`);
    expect(nonce).toBe(authorization.nonce);
  });

  it("are told apart by their event", () => {
    expect(isCancellation(used(1))).toBe(false);
    const canceled = log(1, [toEventSelector("AuthorizationCanceled(address,bytes32)")]);
    expect(isCancellation(canceled)).toBe(true);
  });
});
