/** Keeps a secret that was sent to an origin from coming back in its answer: debugging endpoints echo what they get. */

/**
 * The answer without headers that have the secret in them. A body that has it ends with an error before it begins, so
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
  let held = new Uint8Array();
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = new Uint8Array(held.length + chunk.length);
      bytes.set(held);
      bytes.set(chunk, held.length);
      const text = decoder.decode(bytes);
      if (text.includes(secret)) {
        controller.error(new Error("the origin's answer has its own secret in it"));
        return;
      }
      const passed = bytes.length - begunLength(text, secret);
      if (passed > 0) controller.enqueue(bytes.subarray(0, passed));
      held = bytes.slice(passed);
    },
    flush(controller) {
      if (held.length > 0) controller.enqueue(held);
    },
  });
}

/** How much of the secret the text ends with: that is held back until it is known how it goes on. */
function begunLength(text: string, secret: string): number {
  for (let length = Math.min(secret.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(secret.slice(0, length))) return length;
  }
  return 0;
}
