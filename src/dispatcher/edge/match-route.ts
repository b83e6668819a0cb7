import type { Route } from "../../contracts/snapshot.ts";

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The one matcher: what it returns decides the price and the handler alike. Literal segments win over parameters,
 * whatever the order of the routes.
 */
export function matchRoute(
  routes: readonly Route[],
  segments: readonly string[],
): RouteMatch | null {
  let best: RouteMatch | null = null;
  for (const route of routes) {
    const params = matchPattern(route.path, segments);
    if (params === null) continue;
    if (Object.keys(params).length === 0) return { route, params };
    best ??= { route, params };
  }
  return best;
}

function matchPattern(
  pattern: string,
  segments: readonly string[],
): Readonly<Record<string, string>> | null {
  const expected = pattern.slice(1).split("/");
  if (expected.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of expected.entries()) {
    const segment = segments[index];
    if (segment === undefined) return null;
    if (part.startsWith(":")) params[part.slice(1)] = segment;
    else if (part !== segment) return null;
  }
  return params;
}
