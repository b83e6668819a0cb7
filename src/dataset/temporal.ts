/** Dates and datetimes as text that sorts by time. */

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
/** ISO 8601 with `T` or a space, seconds optional, at most milliseconds; further digits would be lost. */
const DATETIME =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?([Zz]|[+-]\d{2}:?\d{2})?$/;

/** Whether the text is a day of the calendar, as `2024-02-29`. */
export function isDate(text: string): boolean {
  const match = DATE.exec(text);
  if (match === null) return false;
  const [, year, month, day] = match.map(Number);
  return isCalendarDay(year ?? 0, month ?? 0, day ?? 0);
}

/** Whether the text says which instant it is; without an offset it is read as UTC. */
export function hasUtcOffset(text: string): boolean {
  const match = DATETIME.exec(text);
  return match?.[6] !== undefined;
}

/** The instant in the one form that is stored and compared, `2024-02-29T12:00:00.000Z`; null if it is none. */
export function canonicalDatetime(text: string): string | null {
  const match = DATETIME.exec(text);
  if (match === null) return null;
  const [, date = "", hour = "", minute = "", second = "00", fraction = "", offset = "Z"] = match;
  if (!isDate(date) || hour > "23" || minute > "59" || second > "59") return null;
  const offsetMinutes = parseOffset(offset);
  if (offsetMinutes === null) return null;
  const time = `${hour}:${minute}:${second}.${fraction.padEnd(3, "0")}`;
  const instantMs = Date.parse(`${date}T${time}Z`) - offsetMinutes * 60_000;
  const canonical = new Date(instantMs).toISOString();
  // An offset can push the first and last days outside the four-digit years, where text no longer sorts by time.
  return canonical.length === 24 ? canonical : null;
}

function parseOffset(offset: string): number | null {
  if (offset === "Z" || offset === "z") return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(-2));
  if (hours > 23 || minutes > 59) return null;
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  const isLeapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const daysInMonth =
    month === 2 ? (isLeapYear ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return day <= daysInMonth;
}
