/** The OpenAPI 3.1 document of a tenant's API: what is sold, what it takes and gives, at which price. Pure. */
import type { Route, TenantSnapshot } from "../../contracts/snapshot.ts";
import { type RouteParameter, routeSchema } from "../../dataset/route-schema.ts";
import { GUIDED_CODES, explainProblem } from "../../payment/problems/problem-guide.ts";
import type { JsonObject } from "../../payment/wire.ts";

/** What a route costs, as its 402 would say it. */
export interface RoutePrice {
  /** Decimal text, for example `0.001`: what the first of the ways to pay costs. */
  readonly dollars: string;
  /** Whether it is the most a call can cost, and the answer says how much it did. */
  readonly isCeiling: boolean;
  /** The x402 v2 requirements, without quotes. */
  readonly accepts: readonly JsonObject[];
}

export interface ApiDescription {
  readonly snapshot: TenantSnapshot;
  /** The API's base URL, without a slash at its end. */
  readonly baseUrl: string;
  readonly priceOf: (route: Route) => RoutePrice;
}

export function openApiDocument({ snapshot, baseUrl, priceOf }: ApiDescription): JsonObject {
  return {
    openapi: "3.1.0",
    info: {
      title: snapshot.tenantId,
      version: String(snapshot.version),
      description:
        "Every call is paid by x402: call without a payment to get a 402 with the price, sign it, and send the " +
        "request again with the `PAYMENT-SIGNATURE` header. `/schema` and `/sample` are free.",
    },
    servers: [{ url: baseUrl }],
    security: [{ x402: [] }],
    paths: Object.fromEntries(
      snapshot.routes.map((route) => [
        route.path.replaceAll(/:(\w+)/g, "{$1}"),
        pathItem(route, priceOf(route)),
      ]),
    ),
    components: {
      securitySchemes: {
        x402: {
          type: "apiKey",
          in: "header",
          name: "PAYMENT-SIGNATURE",
          description: "A payment for what the 402 quotes: padded base64 of an x402 v2 payload.",
        },
      },
      responses: { PaymentRequired: paymentRequired(), ...problemResponses() },
      schemas: { PaymentRequired: PAYMENT_REQUIRED_SCHEMA, Problem: PROBLEM_SCHEMA },
    },
  };
}

function pathItem(route: Route, price: RoutePrice): JsonObject {
  return Object.fromEntries(
    route.methods.map((method) => [method.toLowerCase(), operation(route, method, price)]),
  );
}

function operation(route: Route, method: string, price: RoutePrice): JsonObject {
  const { parameters, body, output, mediaTypes } = routeSchema(route, method);
  const content = Object.fromEntries(
    mediaTypes.map((mediaType, index) => [
      mediaType,
      index === 0 && output !== null ? { schema: output } : {},
    ]),
  );
  return {
    operationId: `${method.toLowerCase()}${route.path.replaceAll(/\W+/g, "_")}`,
    summary: route.description,
    "x-payment-info": {
      price: price.isCeiling
        ? { mode: "dynamic", currency: "USD", min: "0", max: price.dollars }
        : { mode: "fixed", currency: "USD", amount: price.dollars },
      protocols: [{ x402: {} }],
    },
    "x-402claw-accepts": [...price.accepts],
    parameters: parameters.map(parameterObject),
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: body } } } }),
    responses: {
      "200": {
        description: "What is sold.",
        headers: {
          "PAYMENT-RESPONSE": header(
            "The settlement: padded base64 of JSON, with the transaction.",
          ),
          "Payment-Status": header("`settled`, or `replayed` for the stored answer."),
        },
        content,
      },
      "402": { $ref: "#/components/responses/PaymentRequired" },
      ...Object.fromEntries(
        PROBLEM_STATUSES.map((status) => [
          status,
          { $ref: `#/components/responses/Problem${status}` },
        ]),
      ),
    },
  };
}

function parameterObject({ name, in: place, required, ...rest }: RouteParameter): JsonObject {
  const { description, schema, example } = rest;
  return {
    name,
    in: place,
    required,
    ...(description === "" ? {} : { description }),
    schema,
    ...(example === undefined ? {} : { example }),
  };
}

const PROBLEMS = GUIDED_CODES.map(explainProblem).filter(
  ({ payment, status }) => payment !== undefined && status !== 402,
);

/** Of what a payer can be answered, 402 apart. */
const PROBLEM_STATUSES = [...new Set(PROBLEMS.map(({ status }) => String(status)))].toSorted();

/** One for every status, which names its codes. */
function problemResponses(): JsonObject {
  return Object.fromEntries(
    PROBLEM_STATUSES.map((status) => [
      `Problem${status}`,
      {
        description: PROBLEMS.filter((problem) => String(problem.status) === status)
          .map(({ code, title }) => `\`${code}\`: ${title}.`)
          .join(" "),
        headers: {
          "Payment-Status": header("What became of the money, for example `not-charged`."),
          ...(["409", "429", "503"].includes(status)
            ? { "Retry-After": header("Seconds after which to send the same header again.") }
            : {}),
        },
        content: {
          "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
        },
      },
    ]),
  );
}

function paymentRequired(): JsonObject {
  return {
    description: "Unpaid, or the payment was not taken: sign a quote and send the request again.",
    headers: {
      "PAYMENT-REQUIRED": header("The x402 v2 document with its quotes: padded base64 of JSON."),
      "Payment-Status": header("`required`, `not-charged` or `failed`."),
    },
    content: { "application/json": { schema: { $ref: "#/components/schemas/PaymentRequired" } } },
  };
}

function header(description: string): JsonObject {
  return { description, schema: { type: "string" } };
}

const PAYMENT_REQUIRED_SCHEMA = {
  type: "object",
  description: "The x402 v1 document; v2 clients read the `PAYMENT-REQUIRED` header.",
  required: ["x402Version", "error", "accepts", "code"],
  properties: {
    x402Version: { const: 1 },
    error: { type: "string" },
    accepts: { type: "array", items: { type: "object" } },
    code: { type: "string", description: "`payment_required`, or why a payment was not taken." },
    detail: { type: "string" },
    paymentId: { type: "string" },
  },
} satisfies JsonObject;

const PROBLEM_SCHEMA = {
  type: "object",
  description: "RFC 9457 problem details.",
  required: ["type", "title", "status", "code"],
  properties: {
    type: { type: "string", format: "uri", description: "A page on this code." },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string" },
    detail: { type: "string" },
    paymentId: { type: "string" },
    statusUrl: { type: "string", format: "uri" },
    parameter: { type: "string", description: "The parameter that is malformed." },
  },
} satisfies JsonObject;
