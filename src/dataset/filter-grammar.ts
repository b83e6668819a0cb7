/**
 * The filter language, in the style of PostgREST:
 *
 *   parameter   name=[not.]operator.operand | name=value | [not.]and=group | [not.]or=group
 *   group       ( item {, item} )
 *   item        name.[not.]operator.operand | [not.]and group | [not.]or group
 *   list        ( operand {, operand} )            the operand of `in` and `between`
 *
 * Inside parentheses an operand with a comma, quote or parenthesis is written in double quotes, `\` escaping `"` and `\`.
 */
import type { Condition } from "../contracts/dataset.ts";
import { GROUP_DEPTH_MAX } from "./limits.ts";
import { quoteForMessage, wrong, type Parsed, type QueryColumn } from "./operand.ts";
import {
  buildPredicate,
  isForeignOperator,
  isOperator,
  takesList,
  type Operator,
  type WrittenOperand,
} from "./predicate.ts";

export type GroupOperator = "and" | "or";

const GROUP_START = /(not\.)?(and|or)(?=\()/y;
const OPERATOR = /(not\.)?([a-z]+)\./y;
const BARE_OPERAND = /[^,()"]*/y;
const QUOTED_OPERAND = /"((?:[^"\\]|\\["\\])*)"/y;

/** What follows `name=`: an operator with its operand, or a plain value that must be equal. */
export function parseColumnParameter(column: QueryColumn, text: string): Parsed<Condition> {
  const match = matchAt(OPERATOR, text, 0);
  const [head = "", negation, word = ""] = match ?? [];
  if (isOperator(word)) {
    const operand = parseWholeOperand(word, text.slice(head.length));
    return operand.ok ? predicate(column, negation, word, operand.value) : operand;
  }
  if (isForeignOperator(word) || text.startsWith("not.")) {
    const name = text.startsWith("not.") ? text.slice(0, 40) : word;
    return wrong(
      `${quoteForMessage(name)} is no operator here; to match that text write eq.${text}`,
    );
  }
  return buildPredicate(column, "eq", text);
}

/** The operand of `name__operator=`, or what follows the operator in `name=operator.`: the rest of the text. */
export function parseWholeOperand(operator: Operator, text: string): Parsed<WrittenOperand> {
  if (!takesList(operator)) return { ok: true, value: text };
  const scanner = new FilterScanner(text, []);
  const list = scanner.list();
  return list.ok ? scanner.finish(list.value) : list;
}

/** What follows `and=` or `or=`. */
export function parseGroupParameter(
  operator: GroupOperator,
  text: string,
  columns: readonly QueryColumn[],
): Parsed<Condition> {
  const scanner = new FilterScanner(text, columns);
  const group = scanner.group(operator, 1);
  return group.ok ? scanner.finish(group.value) : group;
}

function predicate(
  column: QueryColumn,
  negation: string | undefined,
  operator: Operator,
  operand: WrittenOperand,
): Parsed<Condition> {
  return negate(negation, buildPredicate(column, operator, operand));
}

function negate(negation: string | undefined, parsed: Parsed<Condition>): Parsed<Condition> {
  if (!parsed.ok || negation === undefined) return parsed;
  return { ok: true, value: { op: "not", condition: parsed.value } };
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}

/** Recursive descent over one text; `GROUP_DEPTH_MAX` bounds the recursion. */
class FilterScanner {
  readonly #text: string;
  /** Longest names first: names may contain dots, so that `a` can be the beginning of `a.b`. */
  readonly #columns: readonly QueryColumn[];
  #position = 0;

  constructor(text: string, columns: readonly QueryColumn[]) {
    this.#text = text;
    this.#columns = columns.toSorted((first, second) => second.name.length - first.name.length);
  }

  group(operator: GroupOperator, depth: number): Parsed<Condition> {
    if (depth > GROUP_DEPTH_MAX) return wrong(`groups nest at most ${GROUP_DEPTH_MAX} deep`);
    const conditions = this.#inParentheses(() => this.#item(depth));
    return conditions.ok
      ? { ok: true, value: { op: operator, conditions: conditions.value } }
      : conditions;
  }

  list(): Parsed<string[]> {
    return this.#inParentheses(() => this.#operand());
  }

  /** The value, if nothing is left of the text. */
  finish<Value>(value: Value): Parsed<Value> {
    return this.#position === this.#text.length ? { ok: true, value } : this.#expected("the end");
  }

  #item(depth: number): Parsed<Condition> {
    const group = this.#match(GROUP_START);
    if (group !== null) {
      return negate(group[1], this.group(group[2] === "and" ? "and" : "or", depth + 1));
    }
    const start = this.#position;
    for (const column of this.#columns) {
      this.#position = start;
      if (!this.#take(`${column.name}.`)) continue;
      const [, negation, word = ""] = this.#match(OPERATOR) ?? [];
      if (isOperator(word)) return this.#predicate(column, negation, word);
    }
    this.#position = start;
    return this.#expected("column.operator.operand");
  }

  #predicate(
    column: QueryColumn,
    negation: string | undefined,
    operator: Operator,
  ): Parsed<Condition> {
    const operand = takesList(operator) ? this.list() : this.#operand();
    return operand.ok ? predicate(column, negation, operator, operand.value) : operand;
  }

  #operand(): Parsed<string> {
    const quoted = this.#match(QUOTED_OPERAND);
    if (quoted !== null) return { ok: true, value: (quoted[1] ?? "").replace(/\\(.)/g, "$1") };
    const [bare = ""] = this.#match(BARE_OPERAND) ?? [];
    return { ok: true, value: bare };
  }

  #inParentheses<Value>(parse: () => Parsed<Value>): Parsed<Value[]> {
    if (!this.#take("(")) return this.#expected("(");
    const values: Value[] = [];
    do {
      const parsed = parse();
      if (!parsed.ok) return parsed;
      values.push(parsed.value);
    } while (this.#take(","));
    return this.#take(")") ? { ok: true, value: values } : this.#expected(", or )");
  }
  #match(pattern: RegExp): RegExpExecArray | null {
    const match = matchAt(pattern, this.#text, this.#position);
    if (match !== null) this.#position += match[0].length;
    return match;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#position)) return false;
    this.#position += token.length;
    return true;
  }

  #expected(what: string): { readonly ok: false; readonly message: string } {
    const found = this.#text.slice(this.#position);
    const where = found === "" ? "at the end" : `at ${quoteForMessage(found)}`;
    return wrong(`expected ${what} ${where}; write for example (price.gte.10,name.eq."a,b")`);
  }
}
