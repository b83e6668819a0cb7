/** A tenant's code as it is uploaded and stored: a module Worker, all of its modules as text. */
import * as z from "zod";

/** A path below the project: what modules import each other by. No `..`, and nothing that hides in a directory. */
const MODULE_NAME_PATTERN = /^(?:_?[A-Za-z0-9][A-Za-z0-9._-]*\/){0,8}_?[A-Za-z0-9][A-Za-z0-9._-]*$/;

export const moduleNameSchema = z
  .string()
  .max(128)
  .regex(
    MODULE_NAME_PATTERN,
    "must be a relative path of at most 128 characters of A-Z, a-z, 0-9, . _ and -",
  );

/** A script is named after its entry module, so that `"script": "score.js"` in a manifest says both. */
export const scriptNameSchema = moduleNameSchema.regex(/\.m?js$/, "must end in .js or .mjs");

/** `esm` is code; `json` and `text` are imported for their default export. */
export const moduleTypeSchema = z.enum(["esm", "json", "text"]);

export const scriptModuleSchema = z.strictObject({ type: moduleTypeSchema, content: z.string() });
export type ScriptModule = z.infer<typeof scriptModuleSchema>;

export const scriptBundleSchema = z
  .strictObject({
    /** Name of the module whose default export answers. */
    main: scriptNameSchema,
    modules: z.record(moduleNameSchema, scriptModuleSchema),
  })
  .refine(({ main, modules }) => modules[main]?.type === "esm", {
    path: ["main"],
    message: "must name a module of type esm",
  });
export type ScriptBundle = z.infer<typeof scriptBundleSchema>;

/** SHA-256 of the code, lower-case hex: the same code is the same version. */
export const scriptVersionSchema = z.string().regex(/^[0-9a-f]{64}$/);

export const scriptReportSchema = z.object({
  script: scriptNameSchema,
  version: scriptVersionSchema,
  /** Of all modules. */
  bytes: z.number().int(),
  modules: z.array(
    z.object({ name: moduleNameSchema, type: moduleTypeSchema, bytes: z.number().int() }),
  ),
});
export type ScriptReport = z.infer<typeof scriptReportSchema>;

export const scriptListSchema = z.object({
  scripts: z.array(scriptReportSchema.extend({ createdAtMs: z.number().int() })),
});
export type ScriptList = z.infer<typeof scriptListSchema>;
