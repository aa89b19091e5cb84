// What is asked about a scene, and the gold response to it. A gold chain reads the digits that the question is about,
// then works out the result: `<think>372. 3+7=10, 10+2=12</think>\boxed{12}`. classify.ts reads chains of this form back.
import type { RandomStream } from "./random.ts";
import type { Scene } from "./scene.ts";

/** A question about a scene, with all that is needed to judge a response: the scene itself is not. */
export interface Question {
  readonly kind: QuestionKind;
  /** The question in words; rows and columns count from 1. */
  readonly text: string;
  /** The digits that a right chain reads, in reading order. */
  readonly seen: readonly number[];
  /** How many of them stand together in the chain: a whole-grid reading groups by row, "372;104;991". */
  readonly groupSize: number;
  /** `count`: the digit to count. */
  readonly target?: number;
  readonly answer: string;
}

type Asked = Omit<Question, "kind" | "answer">;

/** How a kind asks, works and answers. */
interface KindRule {
  ask(scene: Scene, random: RandomStream): Asked;
  /** What follows the reading in the chain; undefined when the reading is the answer. It ends in the result. */
  working?(asked: Asked, digits: readonly number[]): string;
  /** The answer that follows from the digits as read; undefined when they are too few or too many for one. */
  result(asked: Asked, digits: readonly number[]): string | undefined;
}

const sum = (digits: readonly number[]) => digits.reduce((total, digit) => total + digit, 0);
const largest = (digits: readonly number[]) => Math.max(...digits);
const smallest = (digits: readonly number[]) => Math.min(...digits);
const count = (target: number | undefined, digits: readonly number[]) =>
  digits.filter((digit) => digit === target).length;

/**
 * Two numbers at a time: "3+7=10, 10+2=12". A tiny model learns that five times faster than "3+7+2=12", whose every
 * triple is a fact of its own.
 */
function additions(digits: readonly number[]): string {
  const [first = 0, ...others] = digits;
  if (others.length === 0) return `${first}=${first}`;
  let total = first;
  return others.map((digit) => `${total}+${digit}=${(total += digit)}`).join(", ");
}

/** A row or a column: how many there are, and the cells of one. */
interface Line {
  count(scene: Scene): number;
  cells(scene: Scene, index: number): number[];
}

const row: Line = {
  count: (scene) => scene.rows,
  cells: (scene, index) => Array.from({ length: scene.columns }, (_, step) => index * scene.columns + step),
};

const column: Line = {
  count: (scene) => scene.columns,
  cells: (scene, index) => Array.from({ length: scene.rows }, (_, step) => step * scene.columns + index),
};

/** Digits in groups: "372;104;991". The semicolon keeps a grid from grading as a number, a fraction or a tuple. */
export function readOut(digits: readonly number[], groupSize: number): string {
  return digits.map((digit, index) => `${index > 0 && index % groupSize === 0 ? ";" : ""}${digit}`).join("");
}

const rules = {
  /** Reads the whole grid: taught first, it is what makes the model look at the picture. */
  transcribe: {
    ask: (scene) => ({ text: "Read the grid.", seen: scene.digits, groupSize: scene.columns }),
    result: (asked, digits) => readOut(digits, asked.groupSize),
  },
  cell: {
    ask(scene, random) {
      const cell = random.below(scene.digits.length);
      return { text: `${placeName(scene, cell)}?`, seen: digitsAt(scene, [cell]), groupSize: 1 };
    },
    result: (_asked, digits) => (digits.length === 1 ? String(digits[0]) : undefined),
  },
  "row-sum": lineRule("Sum of row", row, additions, sum),
  "column-sum": lineRule("Sum of column", column, additions, sum),
  "row-largest": lineRule("Largest in row", row, (digits) => `max ${largest(digits)}`, largest),
  "column-smallest": lineRule("Smallest in column", column, (digits) => `min ${smallest(digits)}`, smallest),
  count: {
    ask(scene, random) {
      // Half of the time a digit that is there: a uniform one is absent from four grids in ten.
      const target = random.below(2) === 0 ? random.pick(scene.digits) : random.below(10);
      return { text: `How many ${target}s?`, seen: scene.digits, groupSize: scene.columns, target };
    },
    working: (asked, digits) => `${String(asked.target)}s: ${count(asked.target, digits)}`,
    result: (asked, digits) => String(count(asked.target, digits)),
  },
  difference: {
    ask(scene, random) {
      const numCells = scene.digits.length;
      const first = random.below(numCells);
      const second = (first + 1 + random.below(Math.max(1, numCells - 1))) % numCells;
      const text = `${placeName(scene, first)} minus ${placeName(scene, second).toLowerCase()}?`;
      return { text, seen: digitsAt(scene, [first, second]), groupSize: 2 };
    },
    working: (_asked, [a = 0, b = 0]) => `${a}-${b}=${a - b}`,
    result: (_asked, [a, b, ...more]) =>
      a === undefined || b === undefined || more.length > 0 ? undefined : String(a - b),
  },
} satisfies Record<string, KindRule>;

export type QuestionKind = keyof typeof rules;

/** Every kind of question. */
export const questionKinds = Object.keys(rules) as readonly QuestionKind[];

/** The kinds whose answer is one number: what RL and evaluation ask. */
export const reasoningKinds: readonly QuestionKind[] = questionKinds.filter((kind) => kind !== "transcribe");

function lineRule(
  words: string,
  line: Line,
  work: (digits: readonly number[]) => string,
  value: (digits: readonly number[]) => number,
): KindRule {
  return {
    ask(scene, random) {
      const index = random.below(line.count(scene));
      const seen = digitsAt(scene, line.cells(scene, index));
      return { text: `${words} ${index + 1}?`, seen, groupSize: seen.length };
    },
    working: (_asked, digits) => work(digits),
    result: (_asked, digits) => (digits.length === 0 ? undefined : String(value(digits))),
  };
}

function digitsAt(scene: Scene, cells: readonly number[]): number[] {
  return cells.flatMap((cell) => scene.digits[cell] ?? []);
}

function placeName(scene: Scene, cell: number): string {
  return `Row ${Math.floor(cell / scene.columns) + 1} column ${(cell % scene.columns) + 1}`;
}

/** A question of the kind about the scene; the random stream chooses the row, the cells or the digit. */
export function askQuestion(kind: QuestionKind, scene: Scene, random: RandomStream): Question {
  const rule: KindRule = rules[kind];
  const asked = rule.ask(scene, random);
  const answer = rule.result(asked, asked.seen);
  if (answer === undefined) throw new RangeError(`[askQuestion] ${kind}: a scene without the digits it asks for`);
  return { ...asked, kind, answer };
}

/** The answer that follows from other digits than the right ones; undefined when they are too few or too many. */
export function answerFrom(question: Question, digits: readonly number[]): string | undefined {
  const rule: KindRule = rules[question.kind];
  return rule.result(question, digits);
}

/** Whether a chain needs a working after its reading: the reading alone answers `transcribe` and `cell`. */
export function needsWorking(kind: QuestionKind): boolean {
  return "working" in rules[kind];
}

/**
 * The digits that the question is about, in words: all that its picture could tell. With it the question can be
 * answered without the picture, as MathVerse's text-dominant versions can.
 */
export function textualHint(question: Question): string {
  return `Digits: ${readOut(question.seen, question.groupSize)}.`;
}

/** The response to learn from: reading, working and boxed answer, 7 to 27 tokens of the tiny model for a 3 x 3 grid. */
export function goldResponse(question: Question): string {
  const rule: KindRule = rules[question.kind];
  const working = rule.working?.(question, question.seen);
  const chain = readOut(question.seen, question.groupSize) + (working === undefined ? "" : `. ${working}`);
  return `<think>${chain}</think>\\boxed{${question.answer}}`;
}
