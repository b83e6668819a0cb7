import type { OrderKey } from "../contracts/dataset.ts";
import { ORDER_KEYS_MAX } from "./limits.ts";
import { quoteForMessage, wrong, type Parsed, type QueryColumn } from "./operand.ts";

const ORDER_KEY = /^(.+?)(?:\.(asc|desc))?(?:\.nulls(first|last))?$/;

/** `select=a,b`: the positions of the columns in the order they were asked for; all of them without it. */
export function parseSelect(
  text: string | null,
  columns: readonly QueryColumn[],
): Parsed<number[]> {
  if (text === null) return { ok: true, value: columns.map(({ position }) => position) };
  const positions: number[] = [];
  for (const name of text.split(",")) {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) return wrong(explainColumn(name, columns));
    if (positions.includes(column.position)) return wrong(`${name} is selected twice`);
    positions.push(column.position);
  }
  return { ok: true, value: positions };
}

/** `order=a.desc.nullslast,b`. */
export function parseOrder(
  text: string | null,
  columns: readonly QueryColumn[],
): Parsed<OrderKey[]> {
  if (text === null) return { ok: true, value: [] };
  const keys: OrderKey[] = [];
  for (const part of text.split(",")) {
    const key = parseOrderKey(part, columns);
    if (!key.ok) return key;
    if (keys.some(({ column }) => column === key.value.column)) {
      return wrong(`${quoteForMessage(part)} orders by the same column again`);
    }
    keys.push(key.value);
  }
  if (keys.length > ORDER_KEYS_MAX)
    return wrong(`at most ${ORDER_KEYS_MAX} columns order a result`);
  return { ok: true, value: keys };
}

function parseOrderKey(text: string, columns: readonly QueryColumn[]): Parsed<OrderKey> {
  const whole = columns.find(({ name }) => name === text);
  const [, name = "", direction = "asc", written] = ORDER_KEY.exec(text) ?? [];
  const column = whole ?? columns.find((candidate) => candidate.name === name);
  if (column === undefined) {
    const example = columns[0]?.name ?? "name";
    return wrong(`${explainColumn(name, columns)}; write for example ${example}.desc.nullslast`);
  }
  if (column.type === "json") return wrong(`${column.name} is of type json, which has no order`);
  const isDescending = whole === undefined && direction === "desc";
  // As in PostgreSQL: nulls count as larger than everything.
  const nulls = isDescending ? "first" : "last";
  const chosen = whole === undefined && (written === "first" || written === "last");
  return {
    ok: true,
    value: {
      column: column.position,
      direction: isDescending ? "desc" : "asc",
      nulls: chosen ? written : nulls,
      nullable: column.nullable,
    },
  };
}

function explainColumn(name: string, columns: readonly QueryColumn[]): string {
  const names = columns.map((column) => column.name).join(", ");
  return `there is no column ${quoteForMessage(name)}; the columns are ${names}`;
}
