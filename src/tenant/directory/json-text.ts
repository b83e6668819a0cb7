import * as z from "zod";

/** A TEXT column that holds JSON of the given shape. */
export function jsonTextSchema<Shape extends z.ZodType>(shape: Shape) {
  return z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(shape);
}
