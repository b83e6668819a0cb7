/** How an upload is to be read: `?key=id&index=country&index=city&type.zip=string`. */
import * as z from "zod";
import { columnTypeSchema } from "../contracts/snapshot.ts";
import { type Parsed, parseValue, refuseRepeated } from "./request.ts";

const TYPE_PREFIX = "type.";

const uploadOptionsSchema = z.strictObject({
  /** Published name of the column that identifies a row. */
  key: z.string().min(1).optional(),
  /** As many as a manifest may declare. */
  index: z.array(z.string().min(1)).max(16),
  /** Types by column, as published or as the file names it. */
  type: z.record(z.string(), columnTypeSchema),
});
export type UploadOptions = z.infer<typeof uploadOptionsSchema>;

/** Reads the query of an upload; whatever is unknown, repeated or no type is refused by its name. */
export function parseUploadOptions(query: URLSearchParams): Parsed<UploadOptions> {
  const refusal = refuseRepeated(query, "index");
  if (refusal !== null) return { ok: false, response: refusal };
  const types: [string, string][] = [];
  const others: [string, string][] = [];
  for (const [name, value] of query) {
    if (name.startsWith(TYPE_PREFIX)) types.push([name.slice(TYPE_PREFIX.length), value]);
    else others.push([name, value]);
  }
  return parseValue(
    {
      ...Object.fromEntries(others),
      index: query.getAll("index"),
      type: Object.fromEntries(types),
    },
    uploadOptionsSchema,
  );
}
