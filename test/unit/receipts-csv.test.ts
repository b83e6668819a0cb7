import { expect, test } from "vitest";
import type { Receipt } from "../../src/contracts/tenant-api.ts";
import { receiptsToCsv } from "../../src/tenant-api/receipts-csv.ts";

const RECEIPT: Receipt = {
  paymentId: "pay_acme_1",
  state: "settled",
  method: "GET",
  url: "https://acme.example/cities",
  route: "/cities",
  payer: "0x01",
  payTo: "0x02",
  network: "eip155:84532",
  asset: "0x03",
  amountAtomic: "1000",
  feeAtomic: "500",
  netAtomic: "500",
  transaction: null,
  claimedAtMs: 1,
  settledAtMs: null,
  confirmedAtMs: null,
  maximumAtomic: "2000",
  refund: null,
};

const { refund: _refund, ...FLAT } = RECEIPT;
const HEADER = [...Object.keys(FLAT), "refundState", "refundTransaction"].join(",");

test("writes a header line and one line for each receipt, empty where nothing is known", () => {
  expect(receiptsToCsv([RECEIPT]).split("\r\n")).toEqual([
    HEADER,
    "pay_acme_1,settled,GET,https://acme.example/cities,/cities,0x01,0x02,eip155:84532,0x03,1000,500,500,,1,,,2000,,",
    "",
  ]);
});

test("writes only the header when there are no receipts", () => {
  expect(receiptsToCsv([])).toBe(`${HEADER}\r\n`);
});

test.each([
  ["a comma", "/a,b", '"/a,b"'],
  ["a quote", '/a"b', '"/a""b"'],
  ["a line break", "/a\r\nb", '"/a\r\nb"'],
  ["a formula", "=HYPERLINK(1)", "'=HYPERLINK(1)"],
])("keeps %s inert", (_what, url, field) => {
  expect(receiptsToCsv([{ ...RECEIPT, url }])).toContain(`,GET,${field},/cities,`);
});
