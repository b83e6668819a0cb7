import type { CanaryView } from "../../src/facilitator/canary.ts";

/** There is one, so that there is one cap. */
const OBJECT_NAME = "canary";

export interface FacilitatorCanaryClient {
  /** Null when it is off. Whoever looks first starts it; its alarm keeps it going. */
  view(): Promise<CanaryView | null>;
}

export function facilitatorCanaryOf({
  FACILITATOR_CANARY,
}: Pick<Env, "FACILITATOR_CANARY">): FacilitatorCanaryClient {
  return { view: () => FACILITATOR_CANARY.getByName(OBJECT_NAME).view() };
}
