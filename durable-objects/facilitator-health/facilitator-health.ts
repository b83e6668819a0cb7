import { DurableObject } from "cloudflare:workers";

export class FacilitatorHealth extends DurableObject<Env> {}
