import type { ColumnType } from "../contracts/snapshot.ts";
import type { JsonValue } from "../payment/wire.ts";
import { typeOfText, typeOfValue } from "./cell.ts";
import { hasUtcOffset } from "./temporal.ts";

/** How much of a value a report line quotes. */
const EXAMPLE_LENGTH_MAX = 40;

interface TypeCount {
  count: number;
  readonly firstRow: number;
  readonly example: string;
}

/** What a full scan of one column found. */
export interface Inference {
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** The column has no value at all: its empty cells are then empty texts, not nulls. */
  readonly isBlank: boolean;
  /** Why the type is not what most values are, or what was assumed; null when there is nothing to say. */
  readonly remark: { readonly row: number | null; readonly message: string } | null;
}

/** Counts what the cells of one column are. `isText` says that the source has no types of its own (CSV). */
export class ColumnStatistics {
  readonly #isText: boolean;
  readonly #types = new Map<ColumnType, TypeCount>();
  #withoutOffsetCount = 0;

  constructor(isText: boolean) {
    this.#isText = isText;
  }

  observe(cell: JsonValue, row: number): void {
    if (cell === null || (this.#isText && cell === "")) return;
    const type = this.#isText && typeof cell === "string" ? typeOfText(cell) : typeOfValue(cell);
    if (typeof cell === "string" && type === "datetime" && !hasUtcOffset(cell)) {
      this.#withoutOffsetCount += 1;
    }
    const known = this.#types.get(type);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const text = typeof cell === "string" ? cell : JSON.stringify(cell);
    const example =
      text.length > EXAMPLE_LENGTH_MAX ? `${text.slice(0, EXAMPLE_LENGTH_MAX)}…` : text;
    this.#types.set(type, { count: 1, firstRow: row, example });
  }

  /** @param rowCount rows of the dataset; those before a column of a JSON file first appeared lack it. */
  infer(rowCount: number): Inference {
    const valueCount = [...this.#types.values()].reduce((sum, { count }) => sum + count, 0);
    const isBlank = this.#isText && valueCount === 0;
    const nullable = !isBlank && valueCount < rowCount;
    const types = [...this.#types.keys()];
    const [only] = types;
    if (only === undefined) return { type: "string", nullable, isBlank, remark: null };
    if (types.length === 1) {
      return {
        type: only,
        nullable,
        isBlank,
        remark: only === "datetime" ? this.#utcRemark(valueCount) : null,
      };
    }
    const isNumeric = types.every((type) => type === "integer" || type === "number");
    if (isNumeric) return { type: "number", nullable, isBlank, remark: null };
    return { type: "string", nullable, isBlank, remark: this.#mixedRemark(valueCount) };
  }

  #utcRemark(valueCount: number): Inference["remark"] {
    if (this.#withoutOffsetCount === 0) return null;
    const message =
      "datetimes without a UTC offset are read as UTC: " +
      `${this.#withoutOffsetCount} of ${valueCount}`;
    return { row: null, message };
  }

  #mixedRemark(valueCount: number): Inference["remark"] {
    const [commonest, ...others] = [...this.#types].toSorted(
      ([firstType, first], [secondType, second]) =>
        Number(firstType === "string") - Number(secondType === "string") ||
        second.count - first.count,
    );
    const [, exception] =
      others.toSorted(([, first], [, second]) => first.firstRow - second.firstRow)[0] ?? [];
    if (commonest === undefined || exception === undefined) return null;
    const [type, { count }] = commonest;
    const message =
      `kept as string: ${count} of ${valueCount} values are of type ${type}, ` +
      `but row ${exception.firstRow} has ${JSON.stringify(exception.example)}`;
    return { row: exception.firstRow, message };
  }
}
