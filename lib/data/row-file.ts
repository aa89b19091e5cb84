// What the data set reader needs of one file of rows; jsonl-file.ts and parquet-file.ts provide it.

/** One row as the file holds it, before the columns get their meaning. */
export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  /** The characters of a number in column `key` as the file writes them (`1.50`), where the format keeps them. */
  numberText(key: string): string | undefined;
}

/** Rows by index; holds an index or a bounded cache of the rows, never all of them. */
export interface RowFile {
  readonly path: string;
  readonly length: number;
  /** 1-based place of row `index` in the file: the line of a JSONL file. */
  rowNumber(index: number): number;
  /** @throws {DataError} when the row cannot be read */
  read(index: number): Promise<Row>;
  /** One column of all rows in order; undefined where a row has none or cannot be read. */
  column(name: string): AsyncGenerator;
}
