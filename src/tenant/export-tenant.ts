/** All that is kept of a tenant, line by line: a page of one kind is in memory at a time. */
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { ExportLine, ExportQuery } from "../contracts/export.ts";
import { readScript, type ScriptStore } from "../runtime/script/script-store.ts";
import { listAudit } from "./directory/audit.ts";
import { exportDatasets, exportDeployments } from "./directory/export-rows.ts";
import { listLatestScripts } from "./directory/scripts.ts";
import type { TenantRecord } from "./directory/tenants.ts";

export interface ExportEnv extends ScriptStore {
  readonly DB: D1Database;
  readonly SETTLEMENT_LEDGER: Env["SETTLEMENT_LEDGER"];
}

/** Short records. */
const PAGE_LINES = 500;
/** A manifest may have half a megabyte. */
const DEPLOYMENTS_PER_PAGE = 10;
/** Each with its columns. */
const DATASETS_PER_PAGE = 100;

/**
 * @param rowsUrl where the rows of a dataset's version are to be had
 * @throws when the directory or the ledger fails: the reader misses the line `end`
 */
export async function* exportLines(
  env: ExportEnv,
  tenant: TenantRecord,
  rowsUrl: (name: string, version: string) => string,
): AsyncGenerator<ExportLine> {
  const { DB: db } = env;
  const ledger = ledgerOf(env, tenant.tenantId);
  let lines = 0;
  const sections = [
    one({ type: "tenant", ...tenant }),
    deployments(db, tenant.serial),
    datasets(db, tenant.serial, rowsUrl),
    scripts(env, tenant),
    receipts(ledger),
    ledgerSection(ledger, "payouts"),
    ledgerSection(ledger, "refunds"),
    deposits(ledger),
    ledgerSection(ledger, "postings"),
    audit(db, tenant),
  ];
  for (const section of sections) {
    for await (const line of section) {
      lines += 1;
      yield line;
    }
  }
  yield { type: "end", lines };
}

async function* one(line: ExportLine): AsyncGenerator<ExportLine> {
  yield line;
}

async function* deployments(db: D1Database, serial: number): AsyncGenerator<ExportLine> {
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page = await exportDeployments(db, serial, { after, limit: DEPLOYMENTS_PER_PAGE });
    for (const deployment of page) yield { type: "deployment", ...deployment };
    after = page.at(-1)?.version;
  }
}

async function* datasets(
  db: D1Database,
  serial: number,
  rowsUrl: (name: string, version: string) => string,
): AsyncGenerator<ExportLine> {
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page = await exportDatasets(db, serial, { after, limit: DATASETS_PER_PAGE });
    for (const { store: _store, sequence: _sequence, ...dataset } of page) {
      const { name, version } = dataset;
      yield { type: "dataset", ...dataset, rowsUrl: rowsUrl(name, version) };
    }
    after = page.at(-1)?.sequence;
  }
}

/** A script's code is at most some megabytes, and there is one of it at a time. */
async function* scripts(env: ExportEnv, tenant: TenantRecord): AsyncGenerator<ExportLine> {
  for (const { name, ...upload } of await listLatestScripts(env.DB, tenant.serial)) {
    const bundle = await readScript(env, tenant.tenantId, upload.version);
    // A deletion removes code before its rows.
    if (bundle !== null) yield { type: "script", script: name, ...upload, bundle };
  }
}

async function* receipts(ledger: LedgerClient): AsyncGenerator<ExportLine> {
  const everything = { fromMs: null, toMs: null, route: null, payer: null, state: null };
  let cursor: string | null = null;
  do {
    const page = await ledger.listReceipts({ ...everything, cursor, limit: PAGE_LINES });
    for (const receipt of page.receipts) yield { type: "receipt", ...receipt };
    cursor = page.nextCursor;
  } while (cursor !== null);
}

async function* deposits(ledger: LedgerClient): AsyncGenerator<ExportLine> {
  let cursor: string | null = null;
  do {
    const page = await ledger.listDeposits({ cursor, limit: PAGE_LINES });
    for (const deposit of page.deposits) yield { type: "deposit", ...deposit };
    cursor = page.nextCursor;
  } while (cursor !== null);
}

async function* ledgerSection(
  ledger: LedgerClient,
  section: ExportQuery["section"],
): AsyncGenerator<ExportLine> {
  let cursor: string | null = null;
  do {
    const page = await ledger.readExport({ section, cursor, limit: PAGE_LINES });
    yield* page.lines;
    cursor = page.nextCursor;
  } while (cursor !== null);
}

async function* audit(db: D1Database, { tenantId }: TenantRecord): AsyncGenerator<ExportLine> {
  let beforeId: number | undefined;
  do {
    const page = await listAudit(db, { tenantId, beforeId, limit: PAGE_LINES });
    for (const { operator: _operator, tenantId: _tenantId, ...entry } of page) {
      yield { type: "audit", ...entry };
    }
    beforeId = page.at(-1)?.auditId;
  } while (beforeId !== undefined);
}
