/** Worker entry: the dispatcher, and the classes the runtime instantiates by name. */
import { dispatcher } from "./dispatcher/app.ts";
import { handlerOf } from "./dispatcher/handlers.ts";

export { SettlementLedger } from "../durable-objects/settlement-ledger/settlement-ledger.ts";
export { FacilitatorHealth } from "../durable-objects/facilitator-health/facilitator-health.ts";
export { DatasetStore } from "../durable-objects/dataset-store/dataset-store.ts";
export { DepositSigner } from "./chain/deposit-signer.ts";

export default dispatcher(handlerOf);
