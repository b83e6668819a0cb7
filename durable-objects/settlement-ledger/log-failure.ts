/** One line of JSON for operators. Errors here never carry secrets or authorizations. */
export function logFailure(subject: string, error: unknown): void {
  console.error(
    JSON.stringify({
      event: "ledger_failure",
      subject,
      error: error instanceof Error ? error.message : String(error),
    }),
  );
}
