/** The one table of a DatasetStore. Its columns have names of ours, so that no name of a file is ever part of SQL. */
export const ROWS_TABLE = '"rows"';

/** Number of a row in upload order, from 1. */
export const ROW_NUMBER = '"n"';

/** @throws RangeError for anything but a position: this is the only place where a column enters SQL. */
export function columnIdentifier(position: number): string {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`${position} is no column position`);
  }
  return `"c${position}"`;
}
