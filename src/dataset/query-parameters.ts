import { DATASET_FORMATS, type DatasetFormat } from "./dataset-format.ts";
import { wrong, type Parsed } from "./operand.ts";

/** A malformed parameter: 400 `invalid_parameter`, nothing charged. */
export interface ParameterFailure {
  readonly ok: false;
  readonly parameter: string;
  /** What is expected, with an example. */
  readonly message: string;
}

export type Parameter = readonly [name: string, text: string];

/** Parts the parameters that may stand once from the rest, which are filters. */
export function takeSingles(
  parameters: URLSearchParams,
  names: readonly string[],
):
  | {
      readonly ok: true;
      readonly single: (name: string) => string | null;
      readonly others: readonly Parameter[];
    }
  | ParameterFailure {
  const repeated = names.find((name) => parameters.getAll(name).length > 1);
  if (repeated !== undefined) return blame(repeated, wrong("may stand only once"));
  const others = [...parameters].filter(([name]) => !names.includes(name));
  return { ok: true, single: (name) => parameters.get(name), others };
}

export function refuseOthers(
  others: readonly Parameter[],
  names: readonly string[],
): ParameterFailure | null {
  const [other] = others;
  return other === undefined
    ? null
    : blame(other[0], wrong(`is not known here; known is ${names.join(", ")}`));
}

export function blame(
  parameter: string,
  { message }: { readonly message: string },
): ParameterFailure {
  return { ok: false, parameter, message };
}

export function parseFormat(text: string | null): Parsed<DatasetFormat> {
  return parseChoice(text ?? "json", DATASET_FORMATS);
}

export function parseChoice<Choice extends string>(
  text: string,
  choices: readonly Choice[],
): Parsed<Choice> {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return { ok: true, value: choice };
  return wrong(`must be ${choices.join(" or ")}`);
}
