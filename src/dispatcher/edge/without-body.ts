/** An answer to HEAD: as to GET, and nothing after the head (RFC 9110 section 9.3.2). */
export function withoutBody({ body, status, headers }: Response): Response {
  void body?.cancel();
  return new Response(null, { status, headers });
}
