import { namespaceOf } from "../networks.ts";
import type { Scheme } from "../scheme.ts";
import { exactEip3009 } from "./exact-eip3009.ts";
import { exactPermit2 } from "./exact-permit2.ts";
import { exactSvm } from "./exact-svm.ts";
import { upto } from "./upto.ts";

const SCHEMES: readonly Scheme[] = [exactEip3009, exactPermit2, upto, exactSvm];

/**
 * The scheme that a payment says it is of; null when there is none.
 *
 * @param network CAIP-2
 * @param transferMethod `extra.assetTransferMethod`; null when it names none, as EIP-3009 offers do
 */
export function findScheme(
  name: string,
  network: string,
  transferMethod: string | null,
): Scheme | null {
  const namespace = namespaceOf(network);
  const scheme = SCHEMES.find(
    (each) =>
      each.name === name && each.namespace === namespace && each.transferMethod === transferMethod,
  );
  return scheme ?? null;
}
