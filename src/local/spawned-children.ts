/** Tells which processes a library starts, when it does not say itself (Miniflare and its Workers runtime). */
import { AsyncLocalStorage } from "node:async_hooks";
import { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";

type SpawnListener = (pid: number, file: string) => void;

const listeners = new AsyncLocalStorage<SpawnListener>();

/**
 * Calls `listener` for every process started by `run` and by whatever `run` sets in motion, a restart hours later
 * included, because asynchronous work inherits the context it was started in.
 */
export function listenForSpawns<Result>(listener: SpawnListener, run: () => Result): Result {
  subscribeOnce();
  return listeners.run(listener, run);
}

let subscribed = false;

function subscribeOnce(): void {
  if (subscribed) return;
  subscribed = true;
  subscribe("child_process", (message) => {
    const listener = listeners.getStore();
    const child = childOf(message);
    if (listener === undefined || child === null) return;
    child.once("spawn", () => {
      if (child.pid !== undefined) listener(child.pid, child.spawnfile);
    });
  });
}

function childOf(message: unknown): ChildProcess | null {
  if (typeof message !== "object" || message === null || !("process" in message)) return null;
  return message.process instanceof ChildProcess ? message.process : null;
}
