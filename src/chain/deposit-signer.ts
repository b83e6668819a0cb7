import { WorkerEntrypoint } from "cloudflare:workers";

export class DepositSigner extends WorkerEntrypoint<Env> {}
