import { type Receipt, receiptSchema } from "../contracts/tenant-api.ts";

const COLUMNS = receiptSchema.omit({ refund: true }).keyof().options;
const REFUND_COLUMNS = ["refundState", "refundTransaction"];

/**
 * Receipts as CSV (RFC 4180), with a header line. Payers choose what is in a URL, and spreadsheets run text that
 * begins like a formula: such a field gets a leading apostrophe.
 */
export function receiptsToCsv(receipts: readonly Receipt[]): string {
  const lines = receipts.map((receipt) => [
    ...COLUMNS.map((column) => csvField(receipt[column] ?? null)),
    csvField(receipt.refund?.state ?? null),
    csvField(receipt.refund?.transaction ?? null),
  ]);
  return [[...COLUMNS, ...REFUND_COLUMNS], ...lines]
    .map((fields) => `${fields.join(",")}\r\n`)
    .join("");
}

function csvField(value: string | number | null): string {
  if (value === null) return "";
  const text = `${value}`;
  const inert = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
