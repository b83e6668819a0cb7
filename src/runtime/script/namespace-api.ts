/**
 * Uploads code into a dispatch namespace and deletes it there, through Cloudflare's API: `PUT …/workers/dispatch/namespaces/{namespace}/
 * scripts/{name}`, a multipart form of `metadata` and one part per module, named as it is imported.
 */
import * as z from "zod";
import type { ScriptBundle, ScriptModule } from "../../contracts/script.ts";
import { SCRIPT_COMPATIBILITY, dispatchKey, type ScriptRef } from "./script-runtime.ts";

/** Uploads of a few megabytes take seconds; the tenant's own request waits for this one. */
const UPLOAD_TIMEOUT_MS = 60_000;

const DELETE_TIMEOUT_MS = 10_000;

export interface NamespaceApi {
  /** Ends without a slash. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly namespace: string;
  /** Needs the permission to edit Workers scripts of the account, and no other. */
  readonly apiToken: string;
}

export type UploadOutcome =
  | { readonly result: "uploaded" }
  /** The code is at fault; the reason is the API's. */
  | { readonly result: "refused"; readonly reason: string }
  /** The API is, or this platform's token. */
  | { readonly result: "unavailable"; readonly reason: string };

const replySchema = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })).default([]),
});

/** Uploading the same version again changes nothing. The script gets no bindings: neither the platform's nor others. */
export async function uploadToNamespace(
  { apiUrl, accountId, namespace, apiToken }: NamespaceApi,
  ref: ScriptRef,
  bundle: ScriptBundle,
): Promise<UploadOutcome> {
  const path = ["accounts", accountId, "workers/dispatch/namespaces", namespace, "scripts"];
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${apiUrl}/${path.join("/")}/${dispatchKey(ref)}`, {
      method: "PUT",
      headers: { Authorization: `Bearer ${apiToken}` },
      body: uploadForm(ref, bundle),
      redirect: "manual",
      signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    return { result: "unavailable", reason: error instanceof Error ? error.message : "no answer" };
  }
  const reply = replySchema.safeParse(parseJsonOrNull(text));
  if (response.ok && reply.data?.success === true) return { result: "uploaded" };
  const reason =
    reply.data?.errors.map(({ code, message }) => `${message} (${code})`).join("; ") ||
    `the API answers ${response.status}`;
  return { result: response.status === 400 ? "refused" : "unavailable", reason };
}

/** @returns whether it is gone, also when it never was there */
export async function deleteFromNamespace(
  { apiUrl, accountId, namespace, apiToken }: NamespaceApi,
  scriptName: string,
): Promise<boolean> {
  const path = ["accounts", accountId, "workers/dispatch/namespaces", namespace, "scripts"];
  const response = await fetch(`${apiUrl}/${path.join("/")}/${scriptName}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${apiToken}` },
    redirect: "manual",
    signal: AbortSignal.timeout(DELETE_TIMEOUT_MS),
  });
  await response.body?.cancel();
  return response.ok || response.status === 404;
}

function uploadForm({ environment, tenantId, version }: ScriptRef, bundle: ScriptBundle): FormData {
  const metadata = {
    main_module: bundle.main,
    compatibility_date: SCRIPT_COMPATIBILITY.date,
    compatibility_flags: SCRIPT_COMPATIBILITY.flags,
    bindings: [],
    // By these an operator finds and deletes all of a tenant's scripts. At most eight, without , and &.
    tags: [`environment-${environment}`, `tenant-${tenantId}`, `version-${version}`],
  };
  const form = new FormData();
  // The first part: the API reads the form as a stream.
  form.set("metadata", JSON.stringify(metadata));
  for (const [name, module] of Object.entries(bundle.modules)) {
    const { type, content } = modulePart(module);
    form.set(name, new Blob([content], { type }), name);
  }
  return form;
}

/** JSON has no module type of its own here: it becomes the code that exports it. */
function modulePart({ type, content }: ScriptModule): { type: string; content: string } {
  switch (type) {
    case "esm":
      return { type: "application/javascript+module", content };
    case "json":
      return {
        type: "application/javascript+module",
        content: `export default JSON.parse(${JSON.stringify(content)});`,
      };
    case "text":
      return { type: "text/plain", content };
    default:
      return type satisfies never;
  }
}

function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
