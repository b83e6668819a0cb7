/**
 * One spelling per path. The matcher decides price and handler from the same segments, so a path that could be read
 * in two ways (encoded slashes, dot segments, backslashes, empty segments) is refused before anything looks at it
 * (x402 #967, #2372, GHSA-3j63-5h8p-gf7c).
 */

/** Longest path in characters, and most segments: far above any real route. */
const PATH_LENGTH_MAX = 2_048;
const SEGMENTS_MAX = 32;

export type CanonicalPath =
  | { readonly ok: true; readonly segments: readonly string[] }
  | { readonly ok: false; readonly problem: string };

/** Splits the path of a URL into decoded segments. */
export function canonicalPath(pathname: string): CanonicalPath {
  if (pathname.length > PATH_LENGTH_MAX) return refused("is too long");
  const encoded = pathname.slice(1).split("/");
  if (encoded.length > SEGMENTS_MAX) return refused("has too many segments");
  const segments: string[] = [];
  for (const text of encoded) {
    const segment = decodeSegment(text);
    if (segment === null) return refused(`has a segment in a form that is not accepted: ${text}`);
    segments.push(segment);
  }
  return { ok: true, segments };
}

/** Null for a segment that is empty, malformed, or could mean another path once decoded. */
function decodeSegment(text: string): string | null {
  let segment: string;
  try {
    segment = decodeURIComponent(text);
  } catch {
    return null;
  }
  if (segment === "" || segment === "." || segment === "..") return null;
  // A decoded percent sign would let a second decoding mean something else.
  return /[/\\%\p{Cc}]/u.test(segment) ? null : segment;
}

function refused(problem: string): CanonicalPath {
  return { ok: false, problem };
}
