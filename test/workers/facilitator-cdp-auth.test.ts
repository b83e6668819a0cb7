import { describeCdpCalls } from "../support/cdp-facilitator.ts";

/* The package that signs, and the key check before it, need Node's crypto and Buffer: here they are workerd's. */
describeCdpCalls("workerd");
