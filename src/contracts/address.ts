import * as z from "zod";

/** 20-byte hex; compared in lower case. */
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "must be an address: 0x and 40 hexadecimal digits")
  .transform((address) => address.toLowerCase());
