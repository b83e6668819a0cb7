import type { UploadProblem } from "./dataset-error.ts";
import { COLUMN_NAME_LENGTH_MAX } from "./limits.ts";

/** Names that mean something else in a query: as a column's name they would make it ambiguous. */
const RESERVED_NAME = /^(?:select|order|limit|offset|cursor|count|format|group|and|or|not)$|^not\./;

/** Letters, digits and underscores of any script; the dot comes from flattening `{"a":{"b":1}}` to `a.b`. */
const FORBIDDEN = String.raw`[^\p{L}\p{M}\p{N}_.]+`;
const FORBIDDEN_AT_ENDS = new RegExp(`^${FORBIDDEN}|${FORBIDDEN}$`, "gu");
const FORBIDDEN_INSIDE = new RegExp(FORBIDDEN, "gu");

export interface PublishedNames {
  readonly names: readonly string[];
  /** One line for every column that is published under another name than its own. */
  readonly problems: readonly UploadProblem[];
}

/**
 * Turns the names of a file into names that can stand in a URL, unique and always the same for the same header:
 * a name that is fine and free stays as it is, and only what collides with it gets a number.
 */
export function publishNames(sourceNames: readonly string[]): PublishedNames {
  const wished = sourceNames.map(wishedName);
  const taken = new Set<string>();
  const names = wished.map((wish) => {
    const name = taken.has(wish) ? numberedName(wish, wished, taken) : wish;
    taken.add(name);
    return name;
  });
  const problems = names.flatMap((name, position): UploadProblem[] => {
    const source = sourceNames[position];
    if (source === name) return [];
    const message = `column ${position + 1}, ${JSON.stringify(source)}, is published as "${name}"`;
    return [{ column: name, row: null, message }];
  });
  return { names, problems };
}

function wishedName(sourceName: string, position: number): string {
  const clean = sourceName
    .normalize("NFC")
    .replace(FORBIDDEN_AT_ENDS, "")
    .replace(FORBIDDEN_INSIDE, "_");
  const name = Array.from(clean).slice(0, COLUMN_NAME_LENGTH_MAX).join("");
  if (name === "") return `column_${position + 1}`;
  return RESERVED_NAME.test(name) ? `_${name}` : name;
}

function numberedName(wish: string, wished: readonly string[], taken: ReadonlySet<string>): string {
  let number = 2;
  while (wished.includes(`${wish}_${number}`) || taken.has(`${wish}_${number}`)) number += 1;
  return `${wish}_${number}`;
}
