// Verdicts over a file of answer pairs, in order and in bounded memory: what `papo grade` does.
import { ConfigError, DataError } from "../errors.ts";
import { type AnswerGrader, createGrader } from "../reward/answer-grader.ts";
import type { GraderName } from "../reward/grader-names.ts";
import { type Line, maxLineBytes, readLines } from "./lines.ts";
import { VerdictFile } from "./verdict-file.ts";

/** Rows graded together: threads work on some while others are read. */
const batchRows = 256;
const batchBytes = 8 * 1024 * 1024;
/** Unusable rows that are told one by one. */
const maxReports = 5;

export interface GradeFileOptions {
  readonly grader: GraderName;
  /** Longest time of one symbolic comparison. */
  readonly timeoutMs: number;
  /** Column with the verdict to compare with, true or false. */
  readonly against?: string | undefined;
  /** JSONL file for the verdicts, written whole or not at all. */
  readonly out?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface GradeSummary {
  /** Rows graded; with `against` those that have a verdict to compare with. */
  readonly rows: number;
  readonly right: number;
  /** Share of the rows whose verdicts are alike; null without `against`. */
  readonly agreement: number | null;
  /** Rows left out, and `file:line: reason` of the first of them. */
  readonly skipped: number;
  readonly reports: readonly string[];
  /** Answers taken as wrong because grading them ran over its limits. */
  readonly overLimit: number;
  readonly rowsPerSecond: number;
}

interface Pair {
  readonly row: number;
  readonly gold: string;
  readonly pred: string;
  readonly expected: boolean | undefined;
}

/** A line that is no pair, and why. */
interface Unusable {
  readonly row: number;
  readonly reason: string;
}

/**
 * Grades the rows `{gold, pred}` of a JSONL file. A row that is none is left out and counted.
 * @throws {DataError} when the file cannot be read or has no usable row
 * @throws {ConfigError} when no row has a verdict to compare with, or the output cannot be written there
 */
export async function gradeFile(file: string, options: GradeFileOptions): Promise<GradeSummary> {
  const { against, signal } = options;
  const grader = createGrader(options);
  try {
    await using out = options.out === undefined ? undefined : await VerdictFile.open(options.out);
    const tally = new Tally(file, against);
    for await (const batch of batches(readLines(file), against)) {
      signal?.throwIfAborted();
      const verdicts = await Promise.all(batch.map((row) => verdictOf(row, grader, signal)));
      tally.add(batch, verdicts);
      await out?.write(batch.map((row, index) => ({ ...row, verdict: verdicts[index] })));
    }
    const summary = tally.summary(grader.overLimit);
    await out?.finish();
    return summary;
  } finally {
    await grader.close();
  }
}

async function verdictOf(row: Pair | Unusable, grader: AnswerGrader, signal: AbortSignal | undefined) {
  return "reason" in row ? undefined : await grader.grade(row.pred, row.gold, signal);
}

async function* batches(lines: AsyncIterable<Line>, against: string | undefined) {
  let batch: (Pair | Unusable)[] = [];
  let bytes = 0;
  for await (const line of lines) {
    batch.push(readPair(line, against));
    bytes += line.text?.length ?? 0;
    if (batch.length < batchRows && bytes < batchBytes) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function readPair({ number: row, text }: Line, against: string | undefined): Pair | Unusable {
  if (text === undefined) return { row, reason: `the line is longer than ${maxLineBytes} bytes` };
  let values: Record<string, unknown> | null;
  try {
    values = JSON.parse(text) as Record<string, unknown> | null;
  } catch (error) {
    return { row, reason: `not valid JSON: ${(error as Error).message}` };
  }
  if (typeof values !== "object" || values === null || Array.isArray(values))
    return { row, reason: `expected an object with gold and pred, got ${text.slice(0, 40)}` };
  const [gold, pred] = [answerText(values["gold"]), answerText(values["pred"])];
  const missing = gold === undefined ? "gold" : "pred";
  if (gold === undefined || pred === undefined)
    return { row, reason: `${missing}: expected a text or a number, got ${described(values[missing])}` };
  return { row, gold, pred, expected: against === undefined ? undefined : expectedVerdict(values[against]) };
}

const described = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value).slice(0, 80));

function answerText(value: unknown): string | undefined {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
}

function expectedVerdict(value: unknown): boolean | undefined {
  return value === 1 ? true : value === 0 ? false : typeof value === "boolean" ? value : undefined;
}

class Tally {
  private readonly file: string;
  private readonly against: string | undefined;
  private readonly started = performance.now();
  private readonly reports: string[] = [];
  private graded = 0;
  private right = 0;
  private compared = 0;
  private alike = 0;
  private skipped = 0;

  constructor(file: string, against: string | undefined) {
    this.file = file;
    this.against = against;
  }

  add(rows: readonly (Pair | Unusable)[], verdicts: readonly (boolean | undefined)[]): void {
    for (const [index, row] of rows.entries()) {
      if ("reason" in row) this.skip(row);
      else this.count(row.expected, verdicts[index] === true);
    }
  }

  /** @throws {DataError} and {ConfigError} as gradeFile does */
  summary(overLimit: number): GradeSummary {
    const { against, compared, graded, right, skipped, reports } = this;
    if (graded === 0)
      throw new DataError(this.file, undefined, `no row to grade${reports[0] ? `; ${reports[0]}` : ""}`);
    if (against !== undefined && compared === 0)
      throw new ConfigError("--against", `no row of ${this.file} has true or false in the column ${against}`);
    const seconds = (performance.now() - this.started) / 1000;
    return {
      rows: against === undefined ? graded : compared,
      ...{ right, skipped, reports, overLimit },
      agreement: against === undefined ? null : this.alike / compared,
      rowsPerSecond: graded / seconds,
    };
  }

  private skip({ row, reason }: Unusable): void {
    this.skipped += 1;
    if (this.reports.length < maxReports) this.reports.push(`${this.file}:${row}: ${reason}`);
  }

  private count(expected: boolean | undefined, verdict: boolean): void {
    this.graded += 1;
    if (verdict) this.right += 1;
    if (expected === undefined) return;
    this.compared += 1;
    if (expected === verdict) this.alike += 1;
  }
}
