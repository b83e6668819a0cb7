/** Ctrl-C and its kin, for commands that have something to stop before they end. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm, which got it from the terminal too. */
const SAME_SIGNAL_WINDOW_MS = 1_000;

/** Ends the process at once; its exit listeners still run, and they kill every child. */
const EXIT_CODE_FORCED = 130;

export interface Interruption {
  /** Resolves at the first signal. */
  readonly received: Promise<NodeJS.Signals>;
  /** Gives the signals back to whoever had them before. */
  stopListening(): void;
}

/** Takes over the signals: the first one is reported, and one that comes later forces the end. */
export function listenForInterruption(): Interruption {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let firstAtMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    firstAtMs ??= Date.now();
    resolve(signal);
    if (Date.now() - firstAtMs > SAME_SIGNAL_WINDOW_MS) process.exit(EXIT_CODE_FORCED);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    received: promise,
    stopListening() {
      for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    },
  };
}
