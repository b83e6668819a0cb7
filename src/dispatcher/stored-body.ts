/**
 * Bodies that are too large for the ledger's rows: put into the bucket before `stage`, so that the ledger never stores
 * a reference to nothing, and read back at a replay. The ledger deletes them when their retention ends.
 */
import type { BufferedResponse, ClaimGrant, StoredResponse } from "../contracts/ledger.ts";
import { sha256Hex, toHex } from "../payment/hash.ts";
import type { TenantId } from "../tenant/tenant-id.ts";

/** Largest body kept in the ledger's rows, bytes: a quarter of a chunk, and most answers are far smaller. */
export const ROW_BODY_BYTES_MAX = 262_144;

/** 128 bits: nobody guesses where an answer lies. */
const KEY_RANDOM_BYTES = 16;

type Bucket = Pick<Env, "RESPONSES">;

/** The response as `stage` takes it. The fence keeps two holders of one claim from writing to the same place. */
export async function storeBody(
  { RESPONSES }: Bucket,
  tenantId: TenantId,
  { paymentId, fence }: ClaimGrant,
  response: BufferedResponse,
): Promise<StoredResponse> {
  const { body } = response;
  if (body.byteLength <= ROW_BODY_BYTES_MAX) return response;
  const random = toHex(crypto.getRandomValues(new Uint8Array(KEY_RANDOM_BYTES)));
  const key = `${tenantId}/${paymentId}/${fence}-${random}`;
  const sha256 = sha256Hex(body);
  // The bucket refuses a body that does not have this digest.
  await RESPONSES.put(key, body, { sha256 });
  return { ...response, body: { key, bytes: body.byteLength, sha256 } };
}

/** @throws when the object is gone or is not what was stored: the answer would not be the one that was paid for. */
export async function loadBody(
  { RESPONSES }: Bucket,
  response: StoredResponse,
): Promise<BufferedResponse> {
  const { body, ...rest } = response;
  if (body instanceof Uint8Array) return { ...rest, body };
  const object = await RESPONSES.get(body.key);
  if (object === null) throw new Error(`the stored body ${body.key} is gone`);
  const bytes = new Uint8Array(await object.arrayBuffer());
  if (bytes.byteLength !== body.bytes || sha256Hex(bytes) !== body.sha256) {
    throw new Error(`the stored body ${body.key} has changed`);
  }
  return { ...rest, body: bytes };
}

/** Deletes a body whose response was not staged after all. */
export async function discardBody({ RESPONSES }: Bucket, { body }: StoredResponse): Promise<void> {
  if (!(body instanceof Uint8Array)) await RESPONSES.delete(body.key);
}
