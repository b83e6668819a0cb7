import type { Operand } from "../contracts/dataset.ts";
import type { Column, ColumnType } from "../contracts/snapshot.ts";
import { cellOfText } from "./cell.ts";

/** A column as queries name it, with its position in the dataset. */
export interface QueryColumn extends Column {
  readonly position: number;
}

/** A value, or what is wrong with its text (for the caller of the API). */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };

export function wrong(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/** What an operand of this type is called, and one that is valid. */
const EXPECTED: Readonly<Record<ColumnType, { readonly noun: string; readonly example: string }>> =
  {
    integer: { noun: "an integer", example: "10" },
    number: { noun: "a number", example: "9.5" },
    boolean: { noun: "true or false", example: "true" },
    date: { noun: "a date", example: "2024-01-31" },
    datetime: { noun: "a datetime (write + as %2B)", example: "2024-01-31T12:00:00Z" },
    string: { noun: "text", example: "FR" },
    json: { noun: "null", example: "null" },
  };

/** An operand that fits the column, for messages and documentation. */
export function exampleOperand(type: ColumnType): string {
  return EXPECTED[type].example;
}

/** The operand in the column's stored form. */
export function parseOperand(text: string, column: QueryColumn): Parsed<Operand> {
  const operand = cellOfText(text, column.type);
  if (operand !== undefined) return { ok: true, value: operand };
  const { noun, example } = EXPECTED[column.type];
  return wrong(
    `${column.name} is compared with ${noun}, for example ${column.name}=eq.${example}; ` +
      `${quoteForMessage(text)} is none`,
  );
}

/** Echoes what a caller sent, cut to a length that fits a message. */
export function quoteForMessage(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
