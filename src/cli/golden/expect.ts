/** What the golden flow insists on: each throws an Error that says what came instead. */

export function expectEqual<Value>(
  what: string,
  actual: Value,
  expected: Value,
  context = "",
): void {
  const explanation = context === "" ? "" : `: ${context}`;
  expectTrue(
    actual === expected,
    `${what} is ${String(actual)}, not ${String(expected)}${explanation}`,
  );
}

export function expectPresent<Value>(value: Value | null | undefined, what: string): Value {
  if (value === null || value === undefined) throw new Error(`${what} is missing`);
  return value;
}

export function expectTrue(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
