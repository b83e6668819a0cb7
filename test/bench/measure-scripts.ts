/** What it costs that a tenant's code is a tenant's: on every call, on its first one, and when a thousand have scripts. */
import { tmpdir } from "node:os";
import { type Comparison, type Summary, compare, oneRound, summaryOf } from "./compare.ts";
import { unpaidRequest } from "./payments.ts";
import { startScriptRuntime } from "./script-runtime.ts";

const QUERY = "?text=to%20be%20or%20not%20to%20be";
const EXPECTED = "HTTP/1.1 200";

const TENANTS = 1_000;
/** Cold starts at either end that are looked at. */
const SAMPLE = 50;
const WARM_CALLS = 300;
/** Calls of scripts that have to run before the next measurement are made by so many at once. */
const FILL_CONCURRENCY = 8;
const ROUND_MS_MAX = 60_000;

export interface ScriptsReport {
  /** A script beside the same code called directly, both warm. */
  readonly dispatch: readonly (Comparison & { readonly concurrency: number })[];
  /** One script again and again, one call at a time: what the rows below are compared with. */
  readonly warm: Summary;
  /** First calls of the first tenants' scripts. */
  readonly coldFirst: Summary;
  /** First calls of the last tenants' scripts. */
  readonly coldLast: Summary;
  /** The first tenant's script while all the others' are loaded. */
  readonly warmAmongAll: Summary;
  /** The last tenant's script again: it came after those that stay loaded. */
  readonly lastAgain: Summary;
}

export async function measureScripts(progress: (line: string) => void): Promise<ScriptsReport> {
  const runtime = await startScriptRuntime(tmpdir());
  const target = { name: "scripts", port: runtime.port };
  const contender = (paths: readonly string[]) => {
    const requests = paths.map((path) => unpaidRequest({ ...target, path: `${path}${QUERY}` }));
    let next = 0;
    return {
      port: target.port,
      expected: EXPECTED,
      nextRequest: () => requests[next++ % requests.length] ?? null,
    };
  };
  const callEach = async (paths: readonly string[], concurrency = 1, calls = paths.length) => {
    const rounds = { concurrency, callsPerRound: calls, roundMsMax: ROUND_MS_MAX };
    const result = await oneRound(contender(paths), rounds);
    if (result.calls < calls) throw new Error(`${result.calls} of ${calls} calls in time`);
    return summaryOf([result]);
  };
  try {
    progress(`uploading ${TENANTS} scripts`);
    const paths: string[] = [];
    for (let tenant = 1; tenant <= TENANTS; tenant += 1) {
      paths.push(await runtime.upload(`tenant-${tenant}`));
    }
    const mine = [await runtime.upload("tenant-0")];
    await callEach(mine, FILL_CONCURRENCY, WARM_CALLS);
    progress("a script beside the same code called directly");
    const dispatch = [];
    for (const concurrency of [1, 16]) {
      const rounds = { concurrency, rounds: 3, callsPerRound: 1_000, roundMsMax: 1_500 };
      const comparison = await compare(contender(mine), contender(["/direct"]), rounds);
      dispatch.push({ concurrency, ...comparison });
    }
    progress("cold starts");
    const warm = await callEach(mine, 1, WARM_CALLS);
    const coldFirst = await callEach(paths.slice(0, SAMPLE));
    await callEach(paths.slice(SAMPLE, -SAMPLE), FILL_CONCURRENCY);
    const coldLast = await callEach(paths.slice(-SAMPLE));
    const warmAmongAll = await callEach(mine, 1, WARM_CALLS);
    const lastAgain = await callEach(paths.slice(-1), 1, WARM_CALLS);
    if (runtime.log.length > 0) throw new Error(runtime.log.join("\n"));
    return { dispatch, warm, coldFirst, coldLast, warmAmongAll, lastAgain };
  } finally {
    await runtime.stop();
  }
}
