/** A value that fits a JSON Schema, as far as that can be told without a validator: for examples in documents. */
import type { JsonObject, JsonValue } from "../wire.ts";

/** Deeper than any answer that is described; what lies below stays empty. */
const DEPTH_MAX = 8;

export function sampleOf(schema: JsonObject, depth = 0): JsonValue {
  const given = givenIn(schema);
  if (given !== undefined) return given;
  switch (typeOf(schema)) {
    case "object":
      return depth >= DEPTH_MAX ? {} : sampleObject(schema, depth);
    case "array":
      return depth >= DEPTH_MAX || !isObject(schema["items"])
        ? []
        : [sampleOf(schema["items"], depth + 1)];
    case "integer":
    case "number":
      return typeof schema["minimum"] === "number" ? schema["minimum"] : 1;
    case "boolean":
      return true;
    case "null":
      return null;
    case "string":
      return sampleText(schema["format"]);
    default:
      return {};
  }
}

/** What the schema itself says a value looks like. */
function givenIn(schema: JsonObject): JsonValue | undefined {
  const { const: constant, example, examples, default: preset, enum: choices } = schema;
  const [firstExample] = Array.isArray(examples) ? examples : [];
  const [firstChoice] = Array.isArray(choices) ? choices : [];
  return constant ?? example ?? firstExample ?? preset ?? firstChoice;
}

function sampleObject({ properties }: JsonObject, depth: number): JsonObject {
  const members = Object.entries(isObject(properties) ? properties : {});
  return Object.fromEntries(
    members.map(([name, schema]) => [name, isObject(schema) ? sampleOf(schema, depth + 1) : {}]),
  );
}

function sampleText(format: JsonValue | undefined): string {
  switch (format) {
    case "date":
      return "2026-01-31";
    case "date-time":
      return "2026-01-31T12:00:00Z";
    default:
      return "text";
  }
}

/** The first of several types. */
function typeOf({ type, properties }: JsonObject): JsonValue | undefined {
  if (type === undefined && properties !== undefined) return "object";
  return Array.isArray(type) ? type[0] : type;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
