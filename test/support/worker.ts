/** What the tests in workerd run: the product's Worker, and with it the signer, which is a Worker of its own elsewhere. */
export {
  DatasetStore,
  Egress,
  FacilitatorCanary,
  FacilitatorHealth,
  ScriptHost,
  SettlementLedger,
  default,
} from "../../src/index.ts";
export { DepositSigner } from "../../src/chain/deposit-signer.ts";
