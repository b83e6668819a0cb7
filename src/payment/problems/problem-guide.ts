/**
 * What every error means to whoever got it: the one source of the pages at `/errors/{code}` and of the tables in
 * docs/errors.md. A code without a guide does not compile.
 */
import { CONTROL_PLANE_GUIDES } from "./control-plane-guides.ts";
import { PAID_PATH_GUIDES } from "./paid-path-guides.ts";
import {
  type ProblemCode,
  type ProblemOptions,
  isProblemCode,
  problemDocument,
  problemStatus,
  problemTitle,
} from "./problem.ts";
import { REFUSAL_GUIDES, type RefusalCode } from "./refusal-guides.ts";
import type { JsonObject } from "../wire.ts";

/** What became of the money; where it `depends`, the answer's `Payment-Status` says it. */
export type Charged = "no" | "yes" | "unknown" | "depends";

/**
 * What to send next: `resend` the same payment header, `sign` a new payment, `fix` the request first, or `nothing`,
 * because no further request of the caller's changes it.
 */
export type NextSend = "resend" | "sign" | "fix" | "nothing";

export interface ProblemGuide {
  /** Why it is answered. Sentences for people, with `code` in backticks. */
  readonly cause: string;
  /** What the client should do. */
  readonly remedy: string;
  /** Of the paid path only. */
  readonly payment?: { readonly charged: Charged; readonly next: NextSend };
  /** What goes into an example of the answer besides its status and title. */
  readonly example?: ProblemOptions;
}

/** A code as its page and its row in the documentation show it. */
export interface ExplainedCode extends ProblemGuide {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** The answer's body. */
  readonly document: JsonObject;
}

const GUIDES: Readonly<Record<ProblemCode, ProblemGuide>> = {
  ...PAID_PATH_GUIDES,
  ...CONTROL_PLANE_GUIDES,
};

/** Codes of problem documents, in the order of the documentation: those a payer can meet first. */
export const GUIDED_CODES: readonly ProblemCode[] = Object.keys(GUIDES).filter(isProblemCode);

/** Reasons of refused payments, which are codes of a 402. */
export const REFUSAL_CODES: readonly RefusalCode[] =
  Object.keys(REFUSAL_GUIDES).filter(isRefusalCode);

/** Null for a code the platform never answers with. */
export function explainCode(code: string): ExplainedCode | null {
  if (isProblemCode(code)) return explainProblem(code);
  return isRefusalCode(code) ? explainRefusal(code) : null;
}

export function explainProblem(code: ProblemCode): ExplainedCode {
  const guide = GUIDES[code];
  const status = problemStatus(code);
  return {
    ...guide,
    code,
    status,
    title: problemTitle(code),
    document: status === 402 ? unpaidDocument(code, guide) : problemDocument(code, guide.example),
  };
}

/** Every 402 has the x402 v1 document as its body, with the code added. */
function unpaidDocument(
  code: string,
  { cause, example }: Pick<ProblemGuide, "cause" | "example">,
): JsonObject {
  return {
    x402Version: 1,
    error: code,
    accepts: ["…"],
    code,
    detail: example?.detail ?? cause,
    ...example?.extra,
  };
}

/** A refused payment is answered like an unpaid request, with the reason as its code. */
export function explainRefusal(code: RefusalCode): ExplainedCode {
  const { cause, remedy } = REFUSAL_GUIDES[code];
  return {
    code,
    status: 402,
    title: `The payment was not taken: ${code.replaceAll("_", " ")}`,
    cause,
    remedy,
    payment: { charged: "no", next: "sign" },
    example: { headers: { "PAYMENT-REQUIRED": "eyJ4NDAyVmVyc2lvbiI6Mi…" } },
    document: unpaidDocument(code, { cause }),
  };
}

/** The example of a code as it is on the wire. */
export function exampleAnswer({ status, document, example }: ExplainedCode): string {
  const headers = {
    "Content-Type": status === 402 ? "application/json" : "application/problem+json",
    ...example?.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status}`, ...lines, "", JSON.stringify(document, null, 2)].join("\n");
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(REFUSAL_GUIDES, code);
}
