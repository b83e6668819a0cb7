/**
 * x402 extension `bazaar`: what a route takes and gives, for facilitators that list paid APIs
 * (specs/extensions/bazaar.md). The same object as the SDK's `declareDiscoveryExtension` makes with what its server adds
 * per request; the SDK's own code compiles schemas, which workerd refuses.
 */
import type { Route } from "../../contracts/snapshot.ts";
import { type RouteParameter, type RouteSchema, routeSchema } from "../../dataset/route-schema.ts";
import type { JsonObject, JsonValue } from "../wire.ts";
import { sampleOf } from "./schema-sample.ts";

export const BAZAAR = "bazaar";

/**
 * Most characters of JSON: clients send it back with every payment, and it shares the PAYMENT-REQUIRED header with
 * quotes and other extensions. A route with more to say leaves out the types of its parameters, then its answer, then
 * the parameters.
 */
export const BAZAAR_LENGTH_MAX = 2_048;

/** A route as one request reached it. */
export interface DiscoveredRoute {
  readonly route: Route;
  /** Path of the whole URL with `:name` for parameters, for example `/t/acme/cities/:key`. */
  readonly template: string;
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>;
}

interface Declaration {
  readonly info: JsonObject;
  readonly schema: JsonObject;
}

/** Snapshots are cached at the edge, and so is what follows from their routes. */
const declarations = new WeakMap<Route, Declaration>();

export function advertiseBazaar({ route, template, params }: DiscoveredRoute): JsonObject {
  const { info, schema } = declarationOf(route);
  if (Object.keys(params).length === 0) return { info, schema };
  return {
    info: { ...info, input: { ...objectIn(info, "input"), pathParams: { ...params } } },
    schema,
    routeTemplate: template,
  };
}

/** What does not change from one 402 of a route to the next. */
export function bazaarFixedInfo(route: Route): JsonObject {
  return declarationOf(route).info;
}

function declarationOf(route: Route): Declaration {
  const known = declarations.get(route);
  if (known !== undefined) return known;
  const declared = declare(route);
  declarations.set(route, declared);
  return declared;
}

/** As much as there is room for. */
function declare(route: Route): Declaration {
  const method = route.methods[0] ?? "GET";
  const schema = routeSchema(route, method);
  const namesOnly = { ...schema, parameters: schema.parameters.map(nameOnly) };
  const withoutOutput = { ...namesOnly, output: null };
  const nothing = { ...withoutOutput, parameters: schema.parameters.filter(isInPath), body: null };
  const fitting = [schema, namesOnly, withoutOutput]
    .map((each) => describe(method, each))
    .find((each) => JSON.stringify(each).length + SPARE_LENGTH <= BAZAAR_LENGTH_MAX);
  return fitting ?? describe(method, nothing);
}

/** What is not required has no example that would have to fit its type. */
function nameOnly(parameter: RouteParameter): RouteParameter {
  return parameter.required ? parameter : { ...parameter, schema: { type: "string" } };
}

/** For the template and the parameters of one request. */
const SPARE_LENGTH = 256;

function describe(method: string, { parameters, body, output }: RouteSchema): Declaration {
  const inPath = parameters.filter(isInPath);
  const input = isBodyMethod(method)
    ? bodyInput(body)
    : queryInput(parameters.filter((parameter) => !isInPath(parameter)));
  return {
    info: {
      input: { type: "http", method, ...input.info },
      ...(output === null ? {} : { output: { type: "json", example: sampleOf(output) } }),
    },
    schema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        input: {
          type: "object",
          properties: {
            type: { type: "string", const: "http" },
            method: { type: "string", enum: [method] },
            ...input.properties,
            ...(inPath.length === 0 ? {} : { pathParams: pathSchema(inPath) }),
          },
          required: ["type", "method", ...input.required],
          additionalProperties: false,
        },
        ...(output === null ? {} : { output: outputSchema(output) }),
      },
      required: ["input"],
    },
  };
}

function queryInput(parameters: readonly RouteParameter[]) {
  const required = parameters.filter((parameter) => parameter.required);
  return {
    info: { queryParams: valuesOf(required) },
    properties: {
      queryParams: {
        type: "object",
        properties: Object.fromEntries(parameters.map(({ name, schema }) => [name, schema])),
        ...(required.length === 0 ? {} : { required: required.map(({ name }) => name) }),
      },
    },
    required: [],
  };
}

function bodyInput(body: JsonObject | null) {
  return {
    info: { bodyType: "json", body: body === null ? {} : sampleOf(body) },
    properties: {
      bodyType: { type: "string", enum: ["json", "form-data", "text"] },
      body: body ?? { properties: {} },
    },
    required: ["bodyType", "body"],
  };
}

/** Values are as the URL has them: text, whatever column they are compared with. */
function pathSchema(parameters: readonly RouteParameter[]): JsonObject {
  return {
    type: "object",
    properties: Object.fromEntries(parameters.map(({ name }) => [name, { type: "string" }])),
  };
}

function outputSchema(output: JsonObject): JsonObject {
  return {
    type: "object",
    properties: { type: { type: "string" }, example: { type: "object", ...output } },
    required: ["type"],
  };
}

function valuesOf(parameters: readonly RouteParameter[]): JsonObject {
  return Object.fromEntries(parameters.map(({ name, schema }) => [name, sampleOf(schema)]));
}

function isInPath(parameter: RouteParameter): boolean {
  return parameter.in === "path";
}

function isBodyMethod(method: string): boolean {
  return method === "POST" || method === "PUT" || method === "PATCH";
}

function objectIn(object: JsonObject, name: string): JsonObject {
  const value: JsonValue | undefined = object[name];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
