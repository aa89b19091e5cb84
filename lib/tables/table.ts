// A finished table, before it is written as Markdown, CSV or LaTeX.

export type Cell =
  | { readonly kind: "text"; readonly text: string }
  | NumberCell
  /** A result that is not whole yet is never a number. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "absent" };

export interface NumberCell {
  readonly kind: "number";
  readonly value: number;
  /** Half the width of its 95 % interval, in the same unit. */
  readonly halfWidth?: number;
  readonly digits: number;
  /** Letter of the footnote that it bears. */
  readonly mark?: string;
}

export interface Column {
  /** Stands alone, e.g. `General AVG`. */
  readonly title: string;
  /** Below the group's heading, e.g. `AVG`. */
  readonly short: string;
  /** Heading over neighbouring columns. */
  readonly group?: string;
  readonly align: "left" | "right";
}

export interface TableRow {
  readonly cells: readonly Cell[];
  /** Where its numbers come from; the paper's are set apart. */
  readonly source: "ours" | "paper";
  /** A line above it. */
  readonly rule: boolean;
}

export interface Table {
  /** File-safe, e.g. `table1`. */
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly TableRow[];
  /** Below the table, in order. */
  readonly notes: readonly string[];
  /** By letter. */
  readonly footnotes: Readonly<Record<string, string>>;
}

export const column = (title: string, align: Column["align"]): Column => ({ title, short: title, align });
export const text = (value: string): Cell => ({ kind: "text", text: value });
export const absent: Cell = { kind: "absent" };
export const incomplete: Cell = { kind: "incomplete" };

/** Absent for undefined. */
export function number(value: number | undefined, digits: number, rest: Partial<NumberCell> = {}): Cell {
  return value === undefined ? absent : { kind: "number", value, digits, ...rest };
}

/** Letters a, b, ... of the footnotes of one table; equal texts share one. */
export class Footnotes {
  readonly #letters = new Map<string, string>();

  letter(footnote: string): string {
    const known = this.#letters.get(footnote);
    if (known !== undefined) return known;
    const letter = String.fromCharCode("a".charCodeAt(0) + this.#letters.size);
    this.#letters.set(footnote, letter);
    return letter;
  }

  get byLetter(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#letters].map(([footnote, letter]) => [letter, footnote]));
  }
}
