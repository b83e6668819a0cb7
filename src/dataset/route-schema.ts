/**
 * What a route takes and gives, as JSON Schema (2020-12): from the columns and the query grammar where it sells a
 * dataset, from the manifest where a script or an origin answers. Pure; every document about a route is made from it.
 */
import type { Column, ColumnType, DatasetHandlerDefinition, Route } from "../contracts/snapshot.ts";
import type { JsonObject, JsonValue } from "../payment/wire.ts";
import { DATASET_FORMATS } from "./dataset-format.ts";
import { GROUP_DEPTH_MAX, LIMIT_DEFAULT, LIMIT_MAX, ORDER_KEYS_MAX } from "./limits.ts";
import { exampleOperand } from "./operand.ts";
import { OPERATORS } from "./predicate.ts";

export interface RouteParameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonObject;
  /** A value that the route takes, as it is written in a URL before encoding. */
  readonly example?: string;
}

export interface RouteSchema {
  readonly parameters: readonly RouteParameter[];
  /** Of a JSON body; null when the method has none, or nothing is said about it. */
  readonly body: JsonObject | null;
  /** Of the answer in JSON; null when nothing is said about it. */
  readonly output: JsonObject | null;
  /** Media types of the answer, the one `output` is about first. */
  readonly mediaTypes: readonly string[];
}

/** @param method one of the route's: declared input is the query of methods without a body, else the body */
export function routeSchema(route: Route, method: string): RouteSchema {
  return route.handler.kind === "dataset"
    ? datasetSchema(route.handler)
    : declaredSchema(route, method);
}

function datasetSchema(handler: DatasetHandlerDefinition): RouteSchema {
  const { mode, columns } = handler;
  const rows = { type: "array", items: rowSchema(columns) };
  switch (mode) {
    case "list":
      return {
        parameters: [...columns.map(filterParameter), ...listParameters(columns)],
        body: null,
        output: listSchema(rows),
        mediaTypes: ["application/json", "text/csv", "application/x-ndjson"],
      };
    case "item":
      return {
        parameters: [keyParameter(handler), selectParameter(columns)],
        body: null,
        output: rowSchema(columns),
        mediaTypes: ["application/json"],
      };
    case "download":
      return {
        parameters: [formatParameter()],
        body: null,
        output: rows,
        mediaTypes: ["application/json", "text/csv", "application/x-ndjson"],
      };
    default:
      return mode satisfies never;
  }
}

function declaredSchema({ input, output, mimeType }: Route, method: string): RouteSchema {
  const hasBody = method === "POST" || method === "PUT" || method === "PATCH";
  return {
    parameters: hasBody || input === undefined ? [] : declaredParameters(input),
    body: hasBody ? (input ?? null) : null,
    output: output ?? null,
    mediaTypes: [mimeType],
  };
}

/** The properties of a declared object are its query parameters. */
function declaredParameters({ properties, required }: JsonObject): RouteParameter[] {
  const names = Array.isArray(required) ? required : [];
  return Object.entries(isObject(properties) ? properties : {}).flatMap(([name, schema]) => {
    if (!isObject(schema)) return [];
    const { description = "" } = schema;
    return {
      name,
      in: "query" as const,
      required: names.includes(name),
      description: typeof description === "string" ? description : "",
      schema,
    };
  });
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const VALUE_SCHEMAS: Readonly<Record<ColumnType, JsonObject>> = {
  integer: { type: "integer" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  date: { type: "string", format: "date" },
  datetime: { type: "string", format: "date-time" },
  string: { type: "string" },
  json: {},
};

/** A value of the column in an answer. */
function columnValueSchema({ type, nullable }: Column): JsonObject {
  const schema = VALUE_SCHEMAS[type];
  return nullable && typeof schema["type"] === "string"
    ? { ...schema, type: [schema["type"], "null"] }
    : { ...schema };
}

/** No column is required: `select` can leave each of them out. */
function rowSchema(columns: readonly Column[]): JsonObject {
  return {
    type: "object",
    properties: Object.fromEntries(
      columns.map((column) => [column.name, columnValueSchema(column)]),
    ),
  };
}

function listSchema(data: JsonObject): JsonObject {
  return {
    type: "object",
    required: ["data", "nextCursor"],
    properties: {
      data,
      nextCursor: {
        type: ["string", "null"],
        description: "Send it as `cursor` for the next page; null on the last one.",
      },
      count: { type: "integer", description: "Rows that match in all, with `count=exact`." },
    },
  };
}

function filterParameter({ name, type }: Column): RouteParameter {
  const operators = OPERATORS[type];
  const operation = {
    type: "string",
    pattern: `^(not\\.)?(${operators.join("|")})\\.`,
  };
  const isJson = type === "json";
  return {
    name,
    in: "query",
    required: false,
    description: isJson
      ? "Filter: `is.null` or `not.is.null`."
      : `Filter: a value that must be equal, or \`operator.value\` with ${operators.join(", ")}; \`not.\` in front negates.`,
    schema: isJson ? operation : { anyOf: [{ ...VALUE_SCHEMAS[type] }, operation] },
    example: isJson ? "is.null" : `eq.${exampleOperand(type)}`,
  };
}

function keyParameter({ key, columns }: DatasetHandlerDefinition): RouteParameter {
  const column = columns.find(({ name }) => name === key);
  return {
    name: "key",
    in: "path",
    required: true,
    description: `Value of ${key ?? "the key"}, which is unique for every row.`,
    schema: { ...VALUE_SCHEMAS[column?.type ?? "string"] },
    ...(column === undefined ? {} : { example: exampleOperand(column.type) }),
  };
}

function listParameters(columns: readonly Column[]): RouteParameter[] {
  const [column] = columns;
  const example = column === undefined ? {} : { example: `(${column.name}.not.is.null)` };
  const group = (name: "and" | "or", holds: string): RouteParameter => ({
    ...query(
      name,
      `Comparisons in parentheses, nested at most ${GROUP_DEPTH_MAX} deep; ${holds}.`,
      {
        type: "string",
        pattern: "^\\(.*\\)$",
      },
    ),
    ...example,
  });
  return [
    group("and", "all must hold"),
    group("or", "one must hold"),
    selectParameter(columns),
    {
      ...query(
        "order",
        `At most ${ORDER_KEYS_MAX} columns, each with .asc or .desc and .nullsfirst or .nullslast if wanted.`,
        { type: "string" },
      ),
      ...orderExample(columns),
    },
    query("limit", "Rows of one page at most.", {
      type: "integer",
      minimum: 1,
      maximum: LIMIT_MAX,
      default: LIMIT_DEFAULT,
    }),
    query("cursor", "`nextCursor` of the page before, with the same filter and order.", {
      type: "string",
    }),
    query("count", "Whether to count all rows that match.", {
      type: "string",
      enum: ["none", "exact"],
      default: "none",
    }),
    formatParameter(),
  ];
}

function orderExample(columns: readonly Column[]): { readonly example?: string } {
  const column = columns.find(({ type }) => type !== "json");
  return column === undefined ? {} : { example: `${column.name}.desc.nullslast` };
}

function selectParameter(columns: readonly Column[]): RouteParameter {
  const names = columns.map(({ name }) => name).filter((name) => !name.includes(","));
  return {
    ...query("select", "Columns to answer with, between commas; all of them without it.", {
      type: "string",
    }),
    ...(names.length === 0 ? {} : { example: names.slice(0, 2).join(",") }),
  };
}

function formatParameter(): RouteParameter {
  return query("format", "Format of the answer.", {
    type: "string",
    enum: [...DATASET_FORMATS],
    default: "json",
  });
}

function query(name: string, description: string, schema: JsonObject): RouteParameter {
  return { name, in: "query", required: false, description, schema };
}
