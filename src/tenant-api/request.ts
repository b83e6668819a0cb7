/** Requests of the control plane, parsed at the boundary: each field that is wrong is named, with what it must be. */
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { problem, type ProblemCode } from "../payment/problems/problem.ts";

/** Requests other than uploads and manifests are a few short fields. */
export const SMALL_BODY_BYTES_MAX = 16 * 1024;

/** More than this many faults help nobody. */
const FAULTS_MAX = 20;

/** The number of a row. As a cursor it is that of the last row of the page before. */
export const rowNumberSchema = z
  .string()
  .regex(/^[1-9][0-9]{0,14}$/, "must be the nextCursor of a page")
  .transform(Number);

/** One thing wrong with a request. */
export interface Fault {
  /** Path of the field, for example `routes[0].price`; empty for the whole body. */
  readonly field: string;
  /** What it must be. */
  readonly message: string;
}

export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly response: Response };

/** Answers 413 to a body over the cap, before it is parsed. */
export function limitBody(bytesMax: number) {
  return bodyLimit({
    maxSize: bytesMax,
    onError: () =>
      problem("payload_too_large", { detail: `The body may have at most ${bytesMax} bytes.` }),
  });
}

/** An answer that lists what is wrong; its detail repeats the first fault for people. */
export function refuse(code: ProblemCode, faults: readonly [Fault, ...Fault[]]): Response {
  const [{ field, message }] = faults;
  return problem(code, {
    detail: field === "" ? `The body ${message}.` : `${field} ${message}.`,
    extra: { errors: faults.slice(0, FAULTS_MAX).map(pickFault) },
  });
}

/** A body of JSON, whatever its content type says: these routes read nothing else. */
export function parseJsonBody<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
): Parsed<z.output<Schema>> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {
      ok: false,
      response: refuse("invalid_request", [{ field: "", message: "must be JSON" }]),
    };
  }
  return parseValue(body, schema);
}

/** The query's parameters, each of them known to the schema and given once. */
export function parseQuery<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
): Parsed<z.output<Schema>> {
  const { searchParams } = new URL(request.url);
  const refusal = refuseRepeated(searchParams);
  if (refusal !== null) return { ok: false, response: refusal };
  return parseValue(Object.fromEntries(searchParams), schema);
}

/** The answer to a parameter given twice, of which nobody could say which one counts; null when there is none. */
export function refuseRepeated(query: URLSearchParams, repeatable?: string): Response | null {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (name !== repeatable && seen.has(name)) {
      return refuse("invalid_request", [{ field: name, message: "must be given once" }]);
    }
    seen.add(name);
  }
  return null;
}

/** What was put together from a request, against its schema. */
export function parseValue<Schema extends z.ZodType>(
  value: unknown,
  schema: Schema,
): Parsed<z.output<Schema>> {
  const parsed = schema.safeParse(value, { error: describeIssue });
  if (parsed.success) return { ok: true, value: parsed.data };
  const [fault, ...furtherFaults] = parsed.error.issues.flatMap(issueFaults);
  if (fault === undefined) throw new Error("a failed parse has an issue");
  return { ok: false, response: refuse("invalid_request", [fault, ...furtherFaults]) };
}

/** Words for the issues whose default text speaks of types instead of a remedy; undefined keeps the default. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be of type ${issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    case "too_small":
      return `must ${measureOf(issue.origin)} at least ${issue.minimum}`;
    case "too_big":
      return `must ${measureOf(issue.origin)} at most ${issue.maximum}`;
    default:
      return undefined;
  }
}

function measureOf(origin: string): string {
  return origin === "string" || origin === "array" ? "have a length of" : "be";
}

/** Only what callers are told, whatever else a fault may carry. */
function pickFault({ field, message }: Fault) {
  return { field, message };
}

function issueFaults(issue: z.core.$ZodIssue): Fault[] {
  const field = z.core.toDotPath(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        field: z.core.toDotPath([...issue.path, key]),
        message: "is not known here: remove it",
      }));
    case "invalid_key":
      return [{ field, message: issue.issues[0]?.message ?? issue.message }];
    default:
      return [{ field, message: issue.message }];
  }
}
