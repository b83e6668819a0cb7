/**
 * Regions: each has a FacilitatorHealth of its own, because how a facilitator does can depend on where it is called
 * from. Pure.
 */
import * as z from "zod";

/**
 * The places a Durable Object can be put (its location hints), and `default` for whoever does not know where it runs:
 * an embedded platform, and Durable Objects, whose alarms nobody sent.
 */
export const REGIONS = [
  "default",
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "oc",
  "afr",
  "me",
] as const;

export type Region = (typeof REGIONS)[number];

export const DEFAULT_REGION = "default" satisfies Region;

/** Where Cloudflare saw a request come from: a continent's two letters, and degrees as text. */
const originSchema = z.object({ continent: z.string(), longitude: z.string().optional() });

/**
 * The region of an edge, by the request it serves: callers are served close to where they are. Without a longitude,
 * it is the busier one of a continent's regions.
 *
 * @param cf the request's `cf`; undefined where nothing is known
 */
export function regionOf(cf: unknown): Region {
  const origin = originSchema.safeParse(cf);
  if (!origin.success) return DEFAULT_REGION;
  const degreesEast = Number.parseFloat(origin.data.longitude ?? "");
  switch (origin.data.continent) {
    case "NA":
      return degreesEast < -100 ? "wnam" : "enam";
    case "SA":
      return "sam";
    case "EU":
      return degreesEast > 20 ? "eeur" : "weur";
    case "AS":
      return degreesEast < 60 ? "me" : "apac";
    case "OC":
      return "oc";
    case "AF":
      return "afr";
    default:
      return DEFAULT_REGION;
  }
}

/** Name of the region's FacilitatorHealth object. */
export function healthObjectName(region: Region): string {
  return `region:${region}`;
}
