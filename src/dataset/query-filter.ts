import type { Condition } from "../contracts/dataset.ts";
import {
  parseColumnParameter,
  parseGroupParameter,
  parseWholeOperand,
  type GroupOperator,
} from "./filter-grammar.ts";
import { PREDICATES_MAX } from "./limits.ts";
import { wrong, type Parsed, type QueryColumn } from "./operand.ts";
import { buildPredicate, isOperator, type Operator } from "./predicate.ts";
import { blame, type Parameter, type ParameterFailure } from "./query-parameters.ts";

const GROUP_PARAMETER = /^(not\.)?(and|or)$/;
/** `price__gte=10`, the form of Datasette and Django. */
const ALIAS = /^(.+)__([a-z]+)$/;

/** Parses every parameter that is a filter; all of them must hold. @param singles names known beside them. */
export function parseFilter(
  parameters: readonly Parameter[],
  columns: readonly QueryColumn[],
  singles: readonly string[],
): { readonly ok: true; readonly value: Condition[] } | ParameterFailure {
  const conditions: Condition[] = [];
  let predicateCount = 0;
  for (const [name, text] of parameters) {
    const condition = parseFilterParameter(name, text, columns);
    if (condition === null) return blame(name, explainUnknown(name, columns, singles));
    if (!condition.ok) return blame(name, condition);
    conditions.push(condition.value);
    predicateCount += countPredicates(condition.value);
    if (predicateCount > PREDICATES_MAX) {
      return blame(name, wrong(`a query has at most ${PREDICATES_MAX} comparisons`));
    }
  }
  return { ok: true, value: conditions };
}

/** Null when the name is neither a column nor a group. */
function parseFilterParameter(
  name: string,
  text: string,
  columns: readonly QueryColumn[],
): Parsed<Condition> | null {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return parseColumnParameter(exact, text);
  const [, negation, word] = GROUP_PARAMETER.exec(name) ?? [];
  if (word !== undefined) {
    const operator: GroupOperator = word === "and" ? "and" : "or";
    const group = parseGroupParameter(operator, text, columns);
    if (!group.ok || negation === undefined) return group;
    return { ok: true, value: { op: "not", condition: group.value } };
  }
  const [, aliased, operator = ""] = ALIAS.exec(name) ?? [];
  const column = columns.find((candidate) => candidate.name === aliased);
  if (column === undefined || !isOperator(operator)) return null;
  return parseAlias(column, operator, text);
}

function parseAlias(column: QueryColumn, operator: Operator, text: string): Parsed<Condition> {
  const operand = parseWholeOperand(operator, text);
  return operand.ok ? buildPredicate(column, operator, operand.value) : operand;
}

function explainUnknown(
  name: string,
  columns: readonly QueryColumn[],
  singles: readonly string[],
): { readonly message: string } {
  if (name === "offset") return wrong("pages follow one another by cursor, there is no offset");
  const known = [...columns.map((column) => column.name), "and", "or", ...singles];
  return wrong(`is not known here; known are ${known.join(", ")}`);
}

function countPredicates(condition: Condition): number {
  switch (condition.op) {
    case "not":
      return countPredicates(condition.condition);
    case "and":
    case "or":
      return condition.conditions.reduce((sum, part) => sum + countPredicates(part), 0);
    default:
      return 1;
  }
}
