import { DurableObject } from "cloudflare:workers";

export class SettlementLedger extends DurableObject<Env> {}
