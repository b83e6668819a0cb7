/** Whom the command speaks for: precedence of flags, variables and files, and who may read the files. */
import { mkdirSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { credentialsPath, saveApiKey } from "../../src/cli/credentials.ts";
import { writeProject } from "../../src/cli/commands/init.ts";
import {
  isLoopback,
  platformUrl,
  resolveApiKey,
  resolveOperatorToken,
} from "../../src/cli/profile.ts";
import { loadSecrets, secretsPath } from "../../src/local/secrets.ts";

const URL_LOCAL = "http://127.0.0.1:8402";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-profile-"));
  for (const name of ["CLAW_URL", "CLAW_API_KEY", "CLAW_OPERATOR_TOKEN"]) vi.stubEnv(name, "");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

function choose(tenant?: string) {
  return resolveApiKey({ url: URL_LOCAL, tenant, directory });
}

test("prefers the flag over CLAW_URL over the local platform, and keeps the origin only", () => {
  vi.stubEnv("CLAW_URL", undefined);
  expect(platformUrl(undefined)).toBe(URL_LOCAL);
  vi.stubEnv("CLAW_URL", "https://api.example.com/");
  expect(platformUrl(undefined)).toBe("https://api.example.com");
  expect(platformUrl("https://other.example.com/x")).toBe("https://other.example.com");
});

test("uses CLAW_API_KEY before any kept key", async () => {
  await saveApiKey(directory, URL_LOCAL, "acme", "claw_kept");
  vi.stubEnv("CLAW_API_KEY", "claw_set");
  expect(await choose("acme")).toBe("claw_set");
});

test("uses the named tenant's key, else the manifest's, else the only one", async () => {
  await saveApiKey(directory, URL_LOCAL, "acme", "claw_acme");
  expect(await choose()).toBe("claw_acme");
  await saveApiKey(directory, URL_LOCAL, "bravo", "claw_bravo");
  await expect(choose()).rejects.toThrow("several tenants are known here: acme, bravo");
  expect(await choose("bravo")).toBe("claw_bravo");
  await writeProject(directory, { tenant: "acme", script: false, force: false });
  expect(await choose()).toBe("claw_acme");
  expect(await choose("bravo")).toBe("claw_bravo");
});

test("gives one platform's key to no other platform", async () => {
  await saveApiKey(directory, "https://api.example.com", "acme", "claw_remote");
  await expect(choose("acme")).rejects.toThrow("no API key for acme");
});

test("keeps keys in a file that only its owner can read", async () => {
  await saveApiKey(directory, URL_LOCAL, "acme", "claw_acme");
  const { mode } = await stat(credentialsPath(directory));
  expect(mode & 0o777).toBe(0o600);
});

test("says that a credentials file is damaged instead of forgetting its keys", async () => {
  await saveApiKey(directory, URL_LOCAL, "acme", "claw_acme");
  await writeFile(credentialsPath(directory), "{");
  await expect(saveApiKey(directory, URL_LOCAL, "bravo", "claw_bravo")).rejects.toThrow("damaged");
  expect(await readFile(credentialsPath(directory), "utf8")).toBe("{");
});

test("reads a local platform's operator token from its state, and never for another host", () => {
  const { operatorToken } = loadSecrets(directory);
  expect(resolveOperatorToken(undefined, URL_LOCAL, directory)).toBe(operatorToken);
  expect(resolveOperatorToken("given-by-flag-123", URL_LOCAL, directory)).toBe("given-by-flag-123");
  expect(() => resolveOperatorToken(undefined, "https://api.example.com", directory)).toThrow(
    "no operator token",
  );
});

test("makes a platform's secrets once, readable by their owner only", async () => {
  const first = loadSecrets(directory);
  expect(loadSecrets(directory)).toEqual(first);
  const { mode } = await stat(secretsPath(directory));
  expect(mode & 0o777).toBe(0o600);
});

test("makes a secret that an older version did not have, and keeps the others", async () => {
  const { alertWebhookSecret: _, ...older } = loadSecrets(directory);
  await writeFile(secretsPath(directory), JSON.stringify(older));
  const secrets = loadSecrets(directory);
  expect(secrets).toEqual({ ...older, alertWebhookSecret: expect.stringMatching(/^whsec_/) });
  expect(loadSecrets(directory)).toEqual(secrets);
});

test("refuses damaged secrets: a new seed would lose the deposit accounts", async () => {
  loadSecrets(directory);
  await writeFile(secretsPath(directory), "{}");
  expect(() => loadSecrets(directory)).toThrow("is damaged");
});

test("knows which hosts are this machine", () => {
  expect(isLoopback("http://127.0.0.1:8402/t/acme")).toBe(true);
  expect(isLoopback("http://localhost:8402")).toBe(true);
  expect(isLoopback("https://127.0.0.1.example.com")).toBe(false);
});

test("finds the local platform's token from a project below the directory it runs in", () => {
  const stateDir = join(directory, ".claw");
  mkdirSync(stateDir);
  const { operatorToken } = loadSecrets(stateDir);
  const below = join(directory, "shop", ".claw");
  expect(resolveOperatorToken(undefined, URL_LOCAL, below)).toBe(operatorToken);
});
