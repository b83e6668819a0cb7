import type { Condition, Operand, Predicate } from "../contracts/dataset.ts";
import type { ColumnType } from "../contracts/snapshot.ts";
import { IN_OPERANDS_MAX } from "./limits.ts";
import { parseOperand, quoteForMessage, wrong, type Parsed, type QueryColumn } from "./operand.ts";

export type Operator = Predicate["op"];
/** An operand as written: one text, or the texts of a list in parentheses. */
export type WrittenOperand = string | readonly string[];

const EQUALITY = ["eq", "neq", "in", "is"] as const;
const RANGE = ["gt", "gte", "lt", "lte", "between"] as const;
const TEXT = ["contains", "startswith", "endswith"] as const;

/** What can be asked of a column: JSON has no order, and equal JSON need not be equal text. */
export const OPERATORS: Readonly<Record<ColumnType, readonly Operator[]>> = {
  integer: [...EQUALITY, ...RANGE],
  number: [...EQUALITY, ...RANGE],
  boolean: EQUALITY,
  date: [...EQUALITY, ...RANGE],
  datetime: [...EQUALITY, ...RANGE],
  string: [...EQUALITY, ...RANGE, ...TEXT],
  json: ["is"],
};

/** Every operator is one that text columns have. */
export function isOperator(word: string): word is Operator {
  return OPERATORS.string.some((operator) => operator === word);
}

/** Operators of PostgREST and its like that would be taken for a value here, and silently find nothing. */
const FOREIGN_OPERATORS: ReadonlySet<string> = new Set(
  "like ilike match imatch isdistinct fts plfts phfts wfts cs cd ov notin glob exact isnull isblank".split(
    " ",
  ),
);

export function isForeignOperator(word: string): boolean {
  return FOREIGN_OPERATORS.has(word);
}

/** Whether the operator takes a list in parentheses. */
export function takesList(operator: Operator): boolean {
  return operator === "in" || operator === "between";
}

/** One comparison, with its operand checked against the column's type. */
export function buildPredicate(
  column: QueryColumn,
  operator: Operator,
  written: WrittenOperand,
): Parsed<Condition> {
  const allowed = OPERATORS[column.type];
  if (!allowed.includes(operator)) {
    return wrong(
      `${column.name} is of type ${column.type}, which has no ${operator}; it has ${allowed.join(", ")}`,
    );
  }
  switch (operator) {
    case "is":
      return buildIs(column, written);
    case "in":
    case "between":
      return buildList(column, operator, written);
    default:
      return buildComparison(column, operator, written);
  }
}

function buildComparison(
  column: QueryColumn,
  operator: Exclude<Operator, "is" | "in" | "between">,
  written: WrittenOperand,
): Parsed<Condition> {
  if (typeof written !== "string") return wrong(`${operator} takes one value, not a list`);
  const operand = parseOperand(written, column);
  if (!operand.ok) return operand;
  const { position } = column;
  if (operator !== "contains" && operator !== "startswith" && operator !== "endswith") {
    return { ok: true, value: { op: operator, column: position, operand: operand.value } };
  }
  if (written === "") return wrong(`${operator} takes at least one character`);
  return { ok: true, value: { op: operator, column: position, operand: written } };
}

function buildIs(column: QueryColumn, written: WrittenOperand): Parsed<Condition> {
  const { position } = column;
  if (written === "null") return { ok: true, value: { op: "is", column: position, operand: null } };
  if (column.type === "boolean" && (written === "true" || written === "false")) {
    return { ok: true, value: { op: "is", column: position, operand: Number(written === "true") } };
  }
  const choices = column.type === "boolean" ? "null, true or false" : "null";
  return wrong(`is takes ${choices}, for example ${column.name}=is.null`);
}

function buildList(
  column: QueryColumn,
  operator: "in" | "between",
  written: WrittenOperand,
): Parsed<Condition> {
  if (typeof written === "string") {
    return wrong(`${operator} takes a list in parentheses, not ${quoteForMessage(written)}`);
  }
  if (written.length > IN_OPERANDS_MAX) {
    return wrong(`a list has at most ${IN_OPERANDS_MAX} values, this one ${written.length}`);
  }
  const operands: Operand[] = [];
  for (const text of written) {
    const operand = parseOperand(text, column);
    if (!operand.ok) return operand;
    operands.push(operand.value);
  }
  const { position } = column;
  if (operator === "in") return { ok: true, value: { op: "in", column: position, operands } };
  const [low, high] = operands;
  if (low === undefined || high === undefined || operands.length !== 2) {
    return wrong("between takes two values, for example between.(10,20)");
  }
  return { ok: true, value: { op: "between", column: position, low, high } };
}
