/** A sample dataset for `claw init`: invented cities, the same at every run, with a column of every common type. */

const COUNTRIES = [
  "AR",
  "BR",
  "CA",
  "DE",
  "EG",
  "ES",
  "FR",
  "GB",
  "IN",
  "JP",
  "KE",
  "MX",
  "NG",
  "PL",
  "US",
  "ZA",
];
const FIRST = [
  "Alder",
  "Birch",
  "Cedar",
  "Drift",
  "Elm",
  "Fern",
  "Glen",
  "Hazel",
  "Iron",
  "Juniper",
  "Kings",
  "Lark",
];
const LAST = [
  "bridge",
  "brook",
  "bury",
  "dale",
  "field",
  "ford",
  "gate",
  "haven",
  "mouth",
  "port",
  "ton",
  "wick",
];

/** Enough that paging, filtering and indexes mean something, and still a file one can open in an editor. */
export const SAMPLE_ROWS = 1_200;

/** CSV text with a header; the key column is `id`. */
export function sampleCitiesCsv(): string {
  const random = linearCongruential(402);
  const rows = Array.from({ length: SAMPLE_ROWS }, (_, index) => {
    const name = `${pick(FIRST, random())}${pick(LAST, random())}`;
    const population = Math.floor(900 + random() ** 4 * 9_000_000);
    const latitude = (random() * 140 - 60).toFixed(4);
    const longitude = (random() * 360 - 180).toFixed(4);
    const founded = isoDay(Math.floor(random() * 400_000));
    const coastal = random() < 0.3;
    // A town without a recorded elevation: real data has gaps, and a sample should show how they are served.
    const elevation = random() < 0.05 ? "" : String(Math.floor(random() * 2_500));
    return [
      index + 1,
      name,
      pick(COUNTRIES, random()),
      population,
      latitude,
      longitude,
      elevation,
      coastal,
      founded,
    ];
  });
  const header = "id,name,country,population,latitude,longitude,elevation_m,coastal,founded";
  return `${[header, ...rows.map((row) => row.join(","))].join("\n")}\n`;
}

/** Numbers in [0, 1) from a fixed recurrence (Numerical Recipes): the file must not differ between machines. */
function linearCongruential(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function pick(values: readonly string[], fraction: number): string {
  return values[Math.floor(fraction * values.length)] ?? "";
}

/** A day of the years 900 to 1995. */
function isoDay(daysAfter: number): string {
  return new Date(Date.UTC(900, 0, 1 + daysAfter)).toISOString().slice(0, "0000-00-00".length);
}
