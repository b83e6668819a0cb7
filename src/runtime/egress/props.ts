import * as z from "zod";

/** What the egress Worker knows about the code it serves: small JSON, fixed when the code is loaded. */
export const egressPropsSchema = z.object({
  tenantId: z.string().min(1),
  /** Entries as `isAllowedHostEntry` takes them; none allows nothing. */
  allowedHosts: z.array(z.string()),
  /** Of one invocation. */
  maxSubrequests: z.number().int().min(0),
  /** Of one invocation, request and response bodies together. */
  maxBytes: z.number().int().min(0),
});
export type EgressProps = z.infer<typeof egressPropsSchema>;
