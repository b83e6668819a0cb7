/**
 * One spelling per path. The matcher decides price and handler from the same segments, so a path that could be read
 * in two ways (encoded slashes, dot segments, backslashes, empty segments) is refused before anything looks at it
 * (x402 #967, #2372, GHSA-3j63-5h8p-gf7c). It is read as it was sent: a URL parser resolves dots and turns
 * backslashes round, and whatever did that twice, or not at all, would see another path.
 */

/** Longest path in characters, and most segments: far above any real route. */
const PATH_LENGTH_MAX = 2_048;
const SEGMENTS_MAX = 32;

export type CanonicalPath =
  | {
      readonly ok: true;
      /** Decoded; none for the root. */
      readonly segments: readonly string[];
      /** The one spelling of these segments, for example `/cities/S%C3%A3o`. */
      readonly path: string;
    }
  | { readonly ok: false; readonly problem: string };

/** @param rawPath starts with `/`, without query and fragment, as it was sent */
export function canonicalPath(rawPath: string): CanonicalPath {
  if (rawPath.length > PATH_LENGTH_MAX) {
    return refused(`is longer than ${PATH_LENGTH_MAX} characters`);
  }
  const encoded = rawPath === "/" ? [] : rawPath.slice(1).split("/");
  if (encoded.length > SEGMENTS_MAX) return refused(`has more than ${SEGMENTS_MAX} segments`);
  const segments: string[] = [];
  for (const text of encoded) {
    const segment = decodeSegment(text);
    if (segment === null) {
      return refused(
        "has a segment in a form that is not accepted: empty, dots only, badly encoded, or with a slash, a backslash, a percent sign or a control character in it",
      );
    }
    segments.push(segment);
  }
  return { ok: true, segments, path: `/${segments.map(encodeURIComponent).join("/")}` };
}

/** Null for a segment that is empty, malformed, or could mean another path once decoded. */
function decodeSegment(text: string): string | null {
  let segment: string;
  try {
    segment = decodeURIComponent(text);
  } catch {
    return null;
  }
  if (segment === "" || segment === "." || segment === ".." || !segment.isWellFormed()) return null;
  // A decoded percent sign would let a second decoding mean something else.
  return /[/\\%\p{Cc}]/u.test(segment) ? null : segment;
}

function refused(problem: string): CanonicalPath {
  return { ok: false, problem: `The path ${problem}.` };
}
