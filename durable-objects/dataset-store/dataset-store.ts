import { DurableObject } from "cloudflare:workers";

export class DatasetStore extends DurableObject<Env> {}
