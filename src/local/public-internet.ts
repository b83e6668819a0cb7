/**
 * The `INTERNET` binding of the Workers on this machine: workerd decides at the connection, so a name that resolves to
 * a private address is refused, however often it changes.
 */
export const publicInternet: {
  readonly network: { allow: string[]; tlsOptions: { trustBrowserCas: boolean } };
} = { network: { allow: ["public"], tlsOptions: { trustBrowserCas: true } } };
