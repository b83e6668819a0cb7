/** `PUT /v1/scripts/{name}`: code becomes a version, named by its content, which the next deployment puts on sale. */
import { Hono } from "hono";
import * as z from "zod";
import {
  type ScriptBundle,
  type ScriptList,
  type ScriptReport,
  scriptBundleSchema,
  scriptNameSchema,
} from "../contracts/script.ts";
import { problem } from "../payment/problems/problem.ts";
import { scriptRuntimeOf } from "../runtime/script/script-runtime-of.ts";
import { storeScript } from "../runtime/script/script-store.ts";
import { canonicalScript } from "../runtime/script/script-version.ts";
import { listLimitExceedances } from "../tenant/directory/limit-exceedances.ts";
import { readEffectiveLimits } from "../tenant/directory/limit-overrides.ts";
import { insertScriptUpload, listLatestScripts } from "../tenant/directory/scripts.ts";
import { CEILINGS, type Limits } from "../tenant/limits.ts";
import {
  type Fault,
  limitBody,
  type Parsed,
  parseJsonBody,
  parseValue,
  refuse,
} from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** The most code that anybody may have, doubled for what JSON escapes. */
const UPLOAD_BYTES_MAX = 2 * CEILINGS.scriptBytesMax;

/** A month of days with every limit passed. */
const EXCEEDANCES_MAX = 150;

const SINGLE_MODULE_TYPES = ["text/javascript", "application/javascript"];
const ACCEPTED_MEDIA_TYPES = ["application/json", ...SINGLE_MODULE_TYPES].join(", ");

export const scripts = new Hono<TenantEnv>();
scripts.use(requireTenant);

scripts.put("/:name{.+}", limitBody(UPLOAD_BYTES_MAX), async (context) => {
  const { tenant } = context.var;
  const path = parseValue(
    { name: context.req.param("name") },
    z.object({ name: scriptNameSchema }),
  );
  if (!path.ok) return path.response;
  const { name } = path.value;
  const mediaType = (context.req.header("Content-Type") ?? "").split(";")[0]?.trim().toLowerCase();
  const parsed = parseUpload(name, mediaType ?? "", await context.req.text());
  if (!parsed.ok) return parsed.response;
  const bundle = parsed.value;

  const limits = await readEffectiveLimits(context.env.DB, tenant, Date.now());
  const known = await listLatestScripts(context.env.DB, tenant.serial);
  const others = known.filter((script) => script.name !== name);
  const { scriptsMax } = limits;
  const oneTooMany = { field: "name", message: `would be one of more than ${scriptsMax} scripts` };
  const [fault, ...furtherFaults] = [
    ...(others.length < scriptsMax ? [] : [oneTooMany]),
    ...bundleFaults(name, bundle, limits),
  ];
  if (fault !== undefined) return refuse("invalid_request", [fault, ...furtherFaults]);
  const checked = await scriptRuntimeOf(context.env)?.check(bundle);
  if (checked?.ok === false) {
    return problem("invalid_request", {
      detail: `The script does not start: ${checked.reason}`,
      extra: {
        reason: "script_does_not_start",
        errors: [{ field: "modules", message: checked.reason }],
      },
    });
  }

  const canonical = await canonicalScript(bundle);
  const modules = Object.entries(bundle.modules).map(([module, { type, content }]) => ({
    name: module,
    type,
    bytes: byteLength(content),
  }));
  const report: ScriptReport = {
    script: name,
    version: canonical.version,
    bytes: modules.reduce((sum, module) => sum + module.bytes, 0),
    modules,
  };
  if (known.find((script) => script.name === name)?.version !== canonical.version) {
    await storeScript(context.env, tenant.tenantId, canonical);
    const upload = { ...report, name, createdAtMs: Date.now() };
    if (!(await insertScriptUpload(context.env.DB, tenant, upload, scriptsMax))) {
      return refuse("invalid_request", [oneTooMany]);
    }
  }
  return context.json(report, 201);
});

scripts.get("/", async (context) => {
  const uploads = await listLatestScripts(context.env.DB, context.var.tenant.serial);
  const list: ScriptList = {
    scripts: uploads.map(({ name, ...upload }) => ({ script: name, ...upload })),
  };
  return context.json(list);
});

/** How often the tenant's code passed a limit of its plan. */
scripts.get("/exceedances", async (context) => {
  const { tenantId } = context.var.tenant;
  const exceedances = await listLimitExceedances(context.env.DB, tenantId, EXCEEDANCES_MAX);
  return context.json({ exceedances });
});

/** A bundle as JSON, or one module as it is. */
function parseUpload(name: string, mediaType: string, body: string): Parsed<ScriptBundle> {
  if (SINGLE_MODULE_TYPES.includes(mediaType)) {
    const modules = { [name]: { type: "esm" as const, content: body } };
    return { ok: true, value: { main: name, modules } };
  }
  if (mediaType === "application/json") return parseJsonBody(body, scriptBundleSchema);
  return {
    ok: false,
    response: problem("unsupported_media_type", {
      detail: `Send the script as one of ${ACCEPTED_MEDIA_TYPES}.`,
      headers: { Accept: ACCEPTED_MEDIA_TYPES },
    }),
  };
}

function bundleFaults(name: string, { main, modules }: ScriptBundle, limits: Limits): Fault[] {
  const faults: Fault[] = [];
  const contents = Object.entries(modules);
  const bytes = contents.reduce((sum, [, { content }]) => sum + byteLength(content), 0);
  if (main !== name) {
    faults.push({ field: "main", message: `must be ${name}, the script's name` });
  }
  const { scriptModulesMax, scriptBytesMax } = limits;
  if (contents.length > scriptModulesMax) {
    faults.push({ field: "modules", message: `must be at most ${scriptModulesMax} on this plan` });
  }
  if (bytes > scriptBytesMax) {
    const message = `must have at most ${scriptBytesMax} bytes together on this plan, not ${bytes}`;
    faults.push({ field: "modules", message });
  }
  for (const [module, { type, content }] of contents) {
    const field = z.core.toDotPath(["modules", module]);
    if (type === "json" && !isJson(content)) faults.push({ field, message: "must be JSON" });
    if (type === "esm" && !/\.m?js$/.test(module)) {
      faults.push({ field, message: "must end in .js or .mjs to be of type esm" });
    }
  }
  return faults;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
