/** JSON Schemas by which a tenant says what its scripts and origins take and give (docs/api-documents.md). */
import * as z from "zod";
import type { JsonObject } from "../payment/wire.ts";

/** One schema as JSON text: enough for some fifty fields with their descriptions. */
export const ROUTE_SCHEMA_BYTES_MAX = 4_096;

/** Of a whole manifest: every edge holds the schemas of every tenant it serves in memory. */
export const ROUTE_SCHEMAS_BYTES_MAX = 65_536;

/** What reaches us was JSON text, so that all within an object is JSON again. */
export const jsonObjectSchema = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be a JSON object",
);

/** Keywords whose meaning depends on the document a schema stands in: it is put into others. */
const PLACED_KEYWORD = /"\$(?:ref|dynamicRef|id|anchor|dynamicAnchor|schema|defs)":/;

export const routeSchemaSchema = jsonObjectSchema
  .refine(
    (schema) => schemaBytes(schema) <= ROUTE_SCHEMA_BYTES_MAX,
    `must be at most ${ROUTE_SCHEMA_BYTES_MAX} bytes of JSON`,
  )
  .refine(
    (schema) => !PLACED_KEYWORD.test(JSON.stringify(schema)),
    "must be self-contained: no $ref, $id, $anchor, $defs or $schema",
  );

export function schemaBytes(schema: JsonObject | undefined): number {
  return schema === undefined ? 0 : new TextEncoder().encode(JSON.stringify(schema)).byteLength;
}
