/** Code as content: one text per bundle, whose hash is the version. */
import { scriptBundleSchema, type ScriptBundle } from "../../contracts/script.ts";
import { sha256Hex } from "../../payment/hash.ts";

export interface CanonicalScript {
  /** What is stored and sent: the bundle as JSON, its modules in the order of their names. */
  readonly text: string;
  /** SHA-256 of the text, lower-case hex. */
  readonly version: string;
}

/** The same code gives the same text and version, whatever order its modules came in. */
export async function canonicalScript({ main, modules }: ScriptBundle): Promise<CanonicalScript> {
  const ordered = Object.entries(modules)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, { type, content }]) => [name, { type, content }] as const);
  const text = JSON.stringify({ main, modules: Object.fromEntries(ordered) });
  return { text, version: sha256Hex(text) };
}

/** The bundle of a text that `canonicalScript` made. @throws when the text is not this version's */
export async function parseCanonicalScript(text: string, version: string): Promise<ScriptBundle> {
  const actual = sha256Hex(text);
  if (actual !== version) throw new Error(`the code stored as ${version} hashes to ${actual}`);
  return scriptBundleSchema.parse(JSON.parse(text));
}
