/**
 * The local chain's dollar against what is known of USDC: domain, order of events, revert messages. Evidence of
 * settlements rests on the first two, and facilitators' reasons on the third.
 */
import { authorizationTypes } from "@x402/evm";
import { hashDomain, parseAbi, parseEventLogs, parseSignature, toHex } from "viem";
import type { Address, Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount, privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { creatorWallet, payers, setUpAccount } from "../../src/local/accounts.ts";
import { PAYER_FUNDS_ATOMIC } from "../../src/local/chain-set-up.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { startChain } from "../../src/local/chain.ts";
import type { LocalChain } from "../../src/local/chain.ts";
import { USDC_ADDRESS, localChain } from "../../src/local/local-network.ts";

const abi = parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function decimals() view returns (uint8)",
  "function totalSupply() view returns (uint256)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function balanceOf(address account) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function mint(address to, uint256 value)",
  "function transfer(address to, uint256 value) returns (bool)",
  "function transferFrom(address from, address to, uint256 value) returns (bool)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
  "function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature)",
  "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
]);

const domain = {
  name: "USDC",
  version: "2",
  chainId: localChain.id,
  verifyingContract: USDC_ADDRESS,
} as const;

const transferFields = authorizationTypes.TransferWithAuthorization;

/** Runtime code that answers every call with the magic value of EIP-1271. */
const AGREEABLE_WALLET_CODE = "0x631626ba7e60e01b60005260206000f3";
const FAR_FUTURE = 4_000_000_000n;

interface Authorization {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly nonce: Hex;
}

let chain: LocalChain;
let client: ChainTestClient;

beforeAll(async () => {
  chain = await startChain({ stateDir: null });
  client = chainTestClient(chain.rpcUrl);
});

afterAll(() => chain.stop());

const payer = privateKeyToAccount(payers[0].privateKey);

function authorization(changes: Partial<Authorization> = {}): Authorization {
  return {
    from: payer.address,
    to: privateKeyToAddress(generatePrivateKey()),
    value: 5n,
    validAfter: 0n,
    validBefore: FAR_FUTURE,
    nonce: generatePrivateKey(),
    ...changes,
  };
}

function sign(message: Authorization, primaryType: string): Promise<Hex> {
  const types = { [primaryType]: transferFields };
  return payer.signTypedData({ domain, types, primaryType, message: { ...message } });
}

function argumentsOf(signed: Authorization) {
  const { from, to, value, validAfter, validBefore, nonce } = signed;
  return [from, to, value, validAfter, validBefore, nonce] as const;
}

const token = { address: USDC_ADDRESS, abi, account: setUpAccount.address } as const;

/** Simulated first, because the node mines what reverts, without saying why it did. */
async function transferWithAuthorization(signed: Authorization, signature: Hex) {
  const { request } = await client.simulateContract({
    ...token,
    functionName: "transferWithAuthorization",
    args: [...argumentsOf(signed), signature],
  });
  return mined(client.writeContract(request));
}

/** The node takes a transaction before it has mined it. */
async function mined(sent: Promise<Hex>) {
  return client.waitForTransactionReceipt({ hash: await sent });
}

async function cancelAuthorization(nonce: Hex) {
  const signature = await payer.signTypedData({
    domain,
    types: {
      CancelAuthorization: [
        { name: "authorizer", type: "address" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "CancelAuthorization",
    message: { authorizer: payer.address, nonce },
  });
  return mined(
    client.writeContract({
      ...token,
      functionName: "cancelAuthorization",
      args: [payer.address, nonce, signature],
    }),
  );
}

function balanceOf(account: Address): Promise<bigint> {
  return client.readContract({ ...token, functionName: "balanceOf", args: [account] });
}

describe("the token", () => {
  test("presents itself as USDC on Base Sepolia does, in the domain that wallets sign for", async () => {
    expect(await client.readContract({ ...token, functionName: "name" })).toBe("USDC");
    expect(await client.readContract({ ...token, functionName: "version" })).toBe("2");
    expect(await client.readContract({ ...token, functionName: "decimals" })).toBe(6);
    expect(await client.readContract({ ...token, functionName: "DOMAIN_SEPARATOR" })).toBe(
      hashDomain({
        domain: { ...domain, chainId: BigInt(domain.chainId) },
        types: {
          EIP712Domain: [
            { name: "name", type: "string" },
            { name: "version", type: "string" },
            { name: "chainId", type: "uint256" },
            { name: "verifyingContract", type: "address" },
          ],
        },
      }),
    );
  });

  test("has given every payer the same funds, and nobody else any", async () => {
    const supply = await client.readContract({ ...token, functionName: "totalSupply" });
    expect(supply).toBe(BigInt(payers.length) * PAYER_FUNDS_ATOMIC);
    expect(await balanceOf(payers[4].address)).toBe(PAYER_FUNDS_ATOMIC);
  });

  test("moves an allowance granted by a signed permit, once and no further", async () => {
    const permit = {
      owner: payer.address,
      spender: setUpAccount.address,
      value: 7n,
      deadline: FAR_FUTURE,
    };
    const signature = await payer.signTypedData({
      domain,
      types: {
        Permit: [
          { name: "owner", type: "address" },
          { name: "spender", type: "address" },
          { name: "value", type: "uint256" },
          { name: "nonce", type: "uint256" },
          { name: "deadline", type: "uint256" },
        ],
      },
      primaryType: "Permit",
      message: { ...permit, nonce: 0n },
    });
    const { v, r, s } = parseSignature(signature);
    const { owner, spender, value, deadline } = permit;
    const args = [owner, spender, value, deadline, Number(v), r, s] as const;
    await mined(client.writeContract({ ...token, functionName: "permit", args }));
    const pull = {
      ...token,
      functionName: "transferFrom",
      args: [owner, creatorWallet.address, value],
    } as const;
    await mined(client.writeContract(pull));
    expect(await balanceOf(creatorWallet.address)).toBe(7n);
    await expect(client.simulateContract(pull)).rejects.toThrow(
      "ERC20: transfer amount exceeds allowance",
    );
    await expect(
      client.simulateContract({ ...token, functionName: "permit", args }),
    ).rejects.toThrow("EIP2612: invalid signature");
  });
});

describe("a signed transfer", () => {
  test("emits AuthorizationUsed and right after it the Transfer, and nothing else", async () => {
    const signed = authorization();
    const receipt = await transferWithAuthorization(
      signed,
      await sign(signed, "TransferWithAuthorization"),
    );
    const events = parseEventLogs({ abi, logs: receipt.logs });
    expect(events.map(({ eventName, args, logIndex }) => ({ eventName, args, logIndex }))).toEqual([
      {
        eventName: "AuthorizationUsed",
        args: { authorizer: signed.from, nonce: signed.nonce },
        logIndex: 0,
      },
      {
        eventName: "Transfer",
        args: { from: signed.from, to: signed.to, value: signed.value },
        logIndex: 1,
      },
    ]);
    expect(await balanceOf(signed.to)).toBe(signed.value);
  });

  test("is taken with the signature in three parts as well", async () => {
    const signed = authorization();
    const { v, r, s } = parseSignature(await sign(signed, "TransferWithAuthorization"));
    await mined(
      client.writeContract({
        ...token,
        functionName: "transferWithAuthorization",
        args: [...argumentsOf(signed), Number(v), r, s],
      }),
    );
    expect(await balanceOf(signed.to)).toBe(signed.value);
  });

  test("is refused the second time", async () => {
    const signed = authorization();
    const signature = await sign(signed, "TransferWithAuthorization");
    await transferWithAuthorization(signed, signature);
    await expect(transferWithAuthorization(signed, signature)).rejects.toThrow(
      "FiatTokenV2: authorization is used or canceled",
    );
  });

  test.each([
    ["before its time", { validAfter: FAR_FUTURE }, "authorization is not yet valid"],
    ["after its time", { validBefore: 1n }, "authorization is expired"],
    ["for more than there is", { value: 10n ** 18n }, "ERC20: transfer amount exceeds balance"],
  ])("is refused %s", async (_, changes, message) => {
    const signed = authorization(changes);
    const signature = await sign(signed, "TransferWithAuthorization");
    await expect(transferWithAuthorization(signed, signature)).rejects.toThrow(message);
  });

  test("is refused when anything in it was changed after signing", async () => {
    const signed = authorization();
    const signature = await sign(signed, "TransferWithAuthorization");
    await expect(
      transferWithAuthorization({ ...signed, value: signed.value + 1n }, signature),
    ).rejects.toThrow("FiatTokenV2: invalid signature");
  });

  test("counts as spent and leaves only the cancellation behind when it was canceled", async () => {
    const signed = authorization();
    const receipt = await cancelAuthorization(signed.nonce);
    const events = parseEventLogs({ abi, logs: receipt.logs });
    expect(events.map(({ eventName }) => eventName)).toEqual(["AuthorizationCanceled"]);
    expect(
      await client.readContract({
        ...token,
        functionName: "authorizationState",
        args: [signed.from, signed.nonce],
      }),
    ).toBe(true);
    const signature = await sign(signed, "TransferWithAuthorization");
    await expect(transferWithAuthorization(signed, signature)).rejects.toThrow(
      "FiatTokenV2: authorization is used or canceled",
    );
  });

  test("is taken from a contract wallet that stands by the signature, and from no other", async () => {
    const wallet = privateKeyToAddress(generatePrivateKey());
    const signed = authorization({ from: wallet });
    const gibberish = toHex("signed by committee");
    await mined(client.writeContract({ ...token, functionName: "mint", args: [wallet, 100n] }));
    await expect(transferWithAuthorization(signed, gibberish)).rejects.toThrow(
      "ECRecover: invalid signature length",
    );
    await client.setCode({ address: wallet, bytecode: AGREEABLE_WALLET_CODE });
    await transferWithAuthorization(signed, gibberish);
    expect(await balanceOf(signed.to)).toBe(signed.value);
  });

  test("can be reserved for its payee", async () => {
    const signed = authorization({ to: creatorWallet.address });
    const signature = await sign(signed, "ReceiveWithAuthorization");
    const call = {
      address: USDC_ADDRESS,
      abi,
      functionName: "receiveWithAuthorization",
      args: [...argumentsOf(signed), signature],
    } as const;
    await expect(
      client.simulateContract({ ...call, account: setUpAccount.address }),
    ).rejects.toThrow("FiatTokenV2: caller must be the payee");
    await client.simulateContract({ ...call, account: creatorWallet.address });
  });
});
