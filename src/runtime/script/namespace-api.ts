/**
 * Uploads code into a dispatch namespace and deletes it there, through Cloudflare's API: `PUT …/workers/dispatch/namespaces/{namespace}/
 * scripts/{name}`, a multipart form of `metadata` and one part per module, named as it is imported. The tags that are there
 * afterwards (`GET …/scripts/{name}/tags`) have to be this version's, or it is not deployed.
 */
import * as z from "zod";
import type { ScriptBundle, ScriptModule } from "../../contracts/script.ts";
import { SCRIPT_COMPATIBILITY, dispatchKey, type ScriptRef } from "./script-runtime.ts";

/** Uploads of a few megabytes take seconds; the tenant's own request waits for this one. */
const UPLOAD_TIMEOUT_MS = 60_000;

const DELETE_TIMEOUT_MS = 10_000;
const TAGS_TIMEOUT_MS = 10_000;

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

const tagsReplySchema = z.object({ success: z.literal(true), result: z.array(z.string()) });

/** Uploading the same version again changes nothing. The script gets no bindings: neither the platform's nor others. */
export async function uploadToNamespace(
  api: NamespaceApi,
  ref: ScriptRef,
  bundle: ScriptBundle,
): Promise<UploadOutcome> {
  const name = dispatchKey(ref);
  try {
    const response = await fetch(scriptUrl(api, name), {
      method: "PUT",
      headers: authorization(api),
      body: uploadForm(ref, bundle),
      redirect: "manual",
      signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
    });
    const reply = replySchema.safeParse(parseJsonOrNull(await response.text()));
    if (response.ok && reply.data?.success === true) {
      const tags = await readTags(api, name);
      if (tagsOf(ref).every((tag) => tags.includes(tag))) return { result: "uploaded" };
      return {
        result: "unavailable",
        reason: `what is called ${name} is tagged ${tags.join(" ")}`,
      };
    }
    const reason =
      reply.data?.errors.map(({ code, message }) => `${message} (${code})`).join("; ") ||
      `the API answers ${response.status}`;
    return { result: response.status === 400 ? "refused" : "unavailable", reason };
  } catch (error) {
    return { result: "unavailable", reason: error instanceof Error ? error.message : "no answer" };
  }
}

/** @throws when the API does not say */
async function readTags(api: NamespaceApi, scriptName: string): Promise<readonly string[]> {
  const response = await fetch(`${scriptUrl(api, scriptName)}/tags`, {
    headers: authorization(api),
    redirect: "manual",
    signal: AbortSignal.timeout(TAGS_TIMEOUT_MS),
  });
  const reply = tagsReplySchema.safeParse(parseJsonOrNull(await response.text()));
  if (!reply.success) throw new Error(`the API answers ${response.status} and no tags`);
  return reply.data.result;
}

/** @returns whether it is gone, also when it never was there */
export async function deleteFromNamespace(api: NamespaceApi, scriptName: string): Promise<boolean> {
  const response = await fetch(scriptUrl(api, scriptName), {
    method: "DELETE",
    headers: authorization(api),
    redirect: "manual",
    signal: AbortSignal.timeout(DELETE_TIMEOUT_MS),
  });
  await response.body?.cancel();
  return response.ok || response.status === 404;
}

function scriptUrl({ apiUrl, accountId, namespace }: NamespaceApi, scriptName: string): string {
  const path = ["accounts", accountId, "workers/dispatch/namespaces", namespace, "scripts"];
  return `${apiUrl}/${path.join("/")}/${scriptName}`;
}

function authorization({ apiToken }: NamespaceApi): { readonly Authorization: string } {
  return { Authorization: `Bearer ${apiToken}` };
}

/** By these an operator finds and deletes all of a tenant's scripts. At most eight, without , and &. */
function tagsOf({ environment, tenantId, version }: ScriptRef): string[] {
  return [`environment-${environment}`, `tenant-${tenantId}`, `version-${version}`];
}

function uploadForm(ref: ScriptRef, bundle: ScriptBundle): FormData {
  const metadata = {
    main_module: bundle.main,
    compatibility_date: SCRIPT_COMPATIBILITY.date,
    compatibility_flags: SCRIPT_COMPATIBILITY.flags,
    bindings: [],
    tags: tagsOf(ref),
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
