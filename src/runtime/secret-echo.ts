/** Keeps a secret that was sent to an origin from coming back in its answer: debugging endpoints echo what they get. */

/**
 * The answer without headers that have the secret in them. A body that has it ends with an error where it begins, so
 * that the call fails and is not charged; encodings of the secret are not recognised.
 *
 * @param credential the value of the header that was sent, for example `Bearer abc…`
 */
export function withoutEcho(response: Response, credential: string): Response {
  const secret = distinctivePart(credential);
  const headers = new Headers(response.headers);
  for (const [name, value] of response.headers) {
    if (value.includes(secret)) headers.delete(name);
  }
  const body = response.body?.pipeThrough(refuseEcho(secret)) ?? null;
  return new Response(body, { status: response.status, headers });
}

/** The scheme before it (`Bearer`) is no secret, and is not always echoed along with it. */
function distinctivePart(credential: string): string {
  const parts = credential.split(" ");
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest));
}

function refuseEcho(secret: string): TransformStream<Uint8Array, Uint8Array> {
  // One character for one byte, whatever the body is: secrets are ASCII.
  const decoder = new TextDecoder("latin1");
  let tail = "";
  return new TransformStream({
    transform(chunk, controller) {
      const text = tail + decoder.decode(chunk);
      if (text.includes(secret)) {
        controller.error(new Error("the origin's answer has its own secret in it"));
        return;
      }
      tail = text.slice(Math.max(0, text.length - secret.length + 1));
      controller.enqueue(chunk);
    },
  });
}
