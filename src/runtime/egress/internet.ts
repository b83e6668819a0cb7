/** The network that what tenants name is reached through. */
export interface InternetSource {
  /**
   * Where the runtime's own network reaches too far, on a machine with neighbours: a binding that connects to public
   * addresses only, whatever a name resolves to.
   */
  readonly INTERNET?: Fetcher;
}

/** The runtime's own where no other is bound. */
export function internetOf({ INTERNET }: InternetSource): Pick<Fetcher, "fetch"> {
  return INTERNET ?? runtimeNetwork;
}

export const runtimeNetwork: Pick<Fetcher, "fetch"> = {
  fetch: (input, init) => fetch(input, init),
};
