// What a benchmark is: which rows, how they are asked and graded, and the column of the results that it fills.
import { z } from "zod";
import { choice, integer, real, text } from "../../config/fields.ts";
import { layouts } from "../../data/sharegpt.ts";
import { graderNames } from "../../reward/grader-names.ts";
import { type QuestionKind, reasoningKinds } from "../../miniature/questions.ts";

/** The paper's two groups of columns. */
export const benchmarkGroups = ["general", "vision-dependent"] as const;
export type BenchmarkGroup = (typeof benchmarkGroups)[number];

/** The start of a row's id in an evaluation, and the name of a folder. */
export const benchmarkIdRule = "expected letters, digits, _ and -, a letter or digit first";
export const isBenchmarkId = (id: string): boolean => /^[A-Za-z0-9][\w-]{0,63}$/u.test(id);

/** A row's id in an evaluation: unique over all benchmarks, and with the seed the root of its random numbers. */
export const evalRowId = (benchmark: string, id: string): string => `${benchmark}/${id}`;
export const benchmarkOf = (evalId: string): string => evalId.slice(0, evalId.indexOf("/"));
export const ownId = (evalId: string): string => evalId.slice(evalId.indexOf("/") + 1);

const filterValue = z.union([z.string(), z.number(), z.boolean()], { error: "expected a text, a number or a flag" });

const miniatureSchema = z.strictObject({
  seed: integer({ min: 0 }).default(1).describe("Which scenes and questions"),
  count: integer({ min: 1 }).default(200).describe("Rows"),
  hintShare: real({ min: 0, max: 1 }).default(0).describe("Share of questions whose text also holds their digits"),
  rows: integer({ min: 1, max: 9 }).default(3).describe("Of the grid"),
  columns: integer({ min: 1, max: 9 }).default(3).describe("Of the grid"),
  ink: real({ above: 0, max: 1 }).default(1).describe("Brightness of the strokes"),
  kinds: z.array(choice(reasoningKinds as [QuestionKind, ...QuestionKind[]])).min(1).optional().describe("Of question; default: all"), // prettier-ignore
});

/** A benchmark as a user's YAML file describes it. */
export const benchmarkSchema = z.strictObject({
  name: text("a column's title").optional().describe("Title in tables; default: the id"),
  group: choice(benchmarkGroups).default("general").describe("Group whose average it is part of"),
  data: text("a data set").optional().describe("File, folder or hub id with @split"),
  miniature: miniatureSchema.optional().describe("Rows of the miniature world in place of data"),
  layout: choice(layouts).default("columns").describe("sharegpt: a list of messages in place of question and answer"),
  promptKey: text("a column").default("problem").describe("The question's column"),
  answerKey: text("a column").default("answer").describe("The ground truth's column"),
  imageKey: text("a column").default("images").describe("The pictures' column"),
  idKey: text("a column").default("id").describe("The unique id's column"),
  imageDir: text("a folder").optional().describe("Where relative picture paths start; default: the data file's folder"),
  filter: z
    .record(z.string(), z.union([filterValue, z.array(filterValue).min(1)]), { error: "expected a map" })
    .default({})
    .describe("Only rows whose column has this value, or one of these"),
  rows: integer({ min: 1 }).optional().describe("Rows that it has to have after the filter; default: any number"),
  formatPrompt: text("a format prompt").nullable().default(null).describe("Around the question: a built-in's name or a jinja file; null: none"), // prettier-ignore
  grader: choice(graderNames).default("mathruler").describe("How answers are compared with the ground truth"),
  note: text("a remark").optional().describe("For people"),
});

export type BenchmarkSettings = z.output<typeof benchmarkSchema>;

/** A benchmark of the registry; paths in it are absolute. */
export interface Benchmark extends Omit<BenchmarkSettings, "name"> {
  readonly id: string;
  readonly name: string;
}
