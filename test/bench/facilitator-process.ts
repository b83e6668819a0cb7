import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import * as z from "zod";
import type { FacilitatorLatency } from "./facilitator.ts";

export interface FacilitatorProcess {
  readonly url: string;
  setLatency(latency: FacilitatorLatency): Promise<void>;
  stop(): void;
}

const startedSchema = z.tuple([z.object({ port: z.number() })]).rest(z.unknown());

export async function startFacilitatorProcess(): Promise<FacilitatorProcess> {
  const child = fork(join(import.meta.dirname, "facilitator.ts"), {
    execArgv: [],
  });
  const [{ port }] = startedSchema.parse(await once(child, "message"));
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    async setLatency(latency) {
      await fetch(`${url}/latency`, { method: "POST", body: JSON.stringify(latency) });
    },
    stop: () => {
      child.disconnect();
    },
  };
}
