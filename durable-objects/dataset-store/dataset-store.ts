import { DurableObject } from "cloudflare:workers";
import type {
  AppendChunk,
  AppendReply,
  BeginLoad,
  BeginReply,
  CommitLoad,
  CommitReply,
  DatasetQuery,
  DescribeReply,
  SelectReply,
} from "../../src/contracts/dataset.ts";
import { LOAD_DEADLINE_MS } from "../../src/dataset/limits.ts";
import { appendChunk, beginLoad, commitLoad, readState } from "./loading.ts";
import { selectRows } from "./selecting.ts";

/** One immutable version of one dataset, named `{tenantId}/{dataset}/{version}`. Reached through `client.ts`. */
export class DatasetStore extends DurableObject<Env> {
  async beginLoad(request: BeginLoad): Promise<BeginReply> {
    const reply = beginLoad(this.ctx.storage, request);
    // No await between the two: the rows and the alarm that clears them away become durable together.
    if (reply.result === "ready") {
      await this.ctx.storage.setAlarm(Date.now() + LOAD_DEADLINE_MS);
    }
    return reply;
  }

  appendChunk(request: AppendChunk): AppendReply {
    return appendChunk(this.ctx.storage, request);
  }

  commitLoad(request: CommitLoad): CommitReply {
    return commitLoad(this.ctx.storage, request);
  }

  selectRows(query: DatasetQuery): SelectReply {
    if (readState(this.ctx.storage)?.isCommitted !== true) return { result: "not_found" };
    return selectRows(this.ctx.storage.sql, query);
  }

  describe(): DescribeReply {
    const state = readState(this.ctx.storage);
    if (state?.isCommitted !== true) return { result: "not_found" };
    const { definition, rowCount, checksum } = state;
    return { result: "described", definition, rowCount, checksum };
  }

  /** Clears everything away; again changes nothing. */
  async remove(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Clears away a load that was abandoned. */
  override async alarm(): Promise<void> {
    if (readState(this.ctx.storage)?.isCommitted === true) return;
    await this.ctx.storage.deleteAll();
  }
}
