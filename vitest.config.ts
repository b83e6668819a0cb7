import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { kCurrentWorker } from "miniflare";
import { defineConfig } from "vitest/config";

const OPERATOR_TOKEN = "operator-token-of-the-tests";

/**
 * Test files at a time. Two also on two cores: end-to-end tests mostly wait, for blocks, alarms and timeouts. More than
 * eight embedded platforms would fill a machine's memory before they keep its cores busy.
 */
const maxWorkers = Math.min(8, Math.max(2, availableParallelism() - 1));

const migrations = await readD1Migrations("src/tenant/migrations");

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          maxWorkers,
          // Some start the command as a process of its own, on whatever machine this is.
          testTimeout: 120_000,
          hookTimeout: 60_000,
          include: [
            "test/unit/**/*.test.ts",
            "test/property/**/*.test.ts",
            "test/simulation/**/*.test.ts",
          ],
        },
      },
      {
        plugins: [
          cloudflareTest({
            main: "./test/support/worker.ts",
            wrangler: { configPath: "./wrangler.toml", environment: "local" },
            miniflare: {
              // Tenants' code as isolates of its own, to see how it reaches the egress policy.
              workerLoaders: { LOADER: {} },
              // In these tests the signer is part of the one Worker: its code and its seed can be looked at.
              serviceBindings: {
                DEPOSIT_SIGNER: { name: kCurrentWorker, entrypoint: "DepositSigner" },
              },
              bindings: {
                MIGRATIONS: migrations,
                OPERATOR_TOKEN,
                OPERATORS: JSON.stringify([
                  {
                    name: "tests",
                    tokenHash: createHash("sha256").update(OPERATOR_TOKEN).digest("hex"),
                  },
                ]),
                QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
                DEPOSIT_SEED: `0x${"5e".repeat(32)}`,
                PLATFORM_KEYS: JSON.stringify([
                  { id: "key-of-the-tests", key: Buffer.alloc(32, "k").toString("base64") },
                ]),
                // Port 9 (discard) refuses connections: tests that need a facilitator or a chain bring their own.
                FACILITATORS: JSON.stringify([
                  { id: "primary", url: "http://127.0.0.1:9" },
                  { id: "fallback", url: "http://127.0.0.1:9" },
                ]),
                NETWORKS: JSON.stringify([
                  { caip2: "eip155:84532", rpcUrl: "http://127.0.0.1:9", confirmations: 0 },
                ]),
              },
            },
          }),
        ],
        test: {
          name: "workers",
          maxWorkers,
          include: ["test/workers/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          setupFiles: ["test/support/apply-migrations.ts"],
          deps: { optimizer: { ssr: { enabled: true, include: ["itty-durable"] } } },
        },
      },
      {
        test: {
          name: "e2e",
          environment: "node",
          include: ["test/e2e/**/*.test.ts", "test/conformance/**/*.test.ts"],
          // Each file runs an embedded platform of its own.
          maxWorkers,
          // Far above what anything takes: the machine may stall, and what a test waits for has limits of its own.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "browser",
          environment: "node",
          include: ["test/browser/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          // A platform starts, and Chromium is unpacked first.
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
