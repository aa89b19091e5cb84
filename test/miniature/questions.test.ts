import { expect, test } from "vitest";
import { miniatureItems } from "../../lib/miniature/dataset.ts";
import { answerFrom, askQuestion, goldResponse, questionKinds, reasoningKinds } from "../../lib/miniature/questions.ts";
import { RandomStream } from "../../lib/miniature/random.ts";
import { makeScene } from "../../lib/miniature/scene.ts";
import type { Scene } from "../../lib/miniature/scene.ts";

/** The answer worked out from the question's words and the scene alone. */
function answerByWords(text: string, scene: Scene): string {
  const at = (row: string | undefined, column: string | undefined) =>
    scene.digits[(Number(row) - 1) * scene.columns + Number(column) - 1] ?? NaN;
  const line = (name: "row" | "column", place: string | undefined) =>
    scene.digits.filter(
      (_, cell) => (name === "row" ? Math.floor(cell / scene.columns) : cell % scene.columns) === Number(place) - 1,
    );
  if (text === "Read the grid.") {
    const rows = Array.from({ length: scene.rows }, (_, row) =>
      scene.digits.slice(row * scene.columns).slice(0, scene.columns),
    );
    return rows.map((digits) => digits.join("")).join(";");
  }
  const [a, b, c, d] = text.match(/\d/g) ?? [];
  const words = text.replaceAll(/\d/g, "#");
  if (words === "Row # column #?") return String(at(a, b));
  if (words === "Row # column # minus row # column #?") return String(at(a, b) - at(c, d));
  if (words === "How many #s?") return String(scene.digits.join("").split(String(a)).length - 1);
  if (words === "Sum of row #?") return String(line("row", a).reduce((x, y) => x + y));
  if (words === "Sum of column #?") return String(line("column", a).reduce((x, y) => x + y));
  if (words === "Largest in row #?") return String(line("row", a).sort().at(-1));
  if (words === "Smallest in column #?") return String(line("column", a).sort().at(0));
  throw new Error(`unknown question: ${text}`);
}

test.each([
  [3, 3],
  [1, 1],
  [1, 7],
  [5, 2],
])("in %i x %i grids every answer follows from the question's words and the scene", (rows, columns) => {
  for (const kind of questionKinds) {
    const options = { split: "eval", seed: 11, count: 60, kinds: [kind], rows, columns } as const;
    for (const { scene, question } of miniatureItems(options)) {
      expect(question.kind).toBe(kind);
      expect(`${question.text} ${question.answer}`).toBe(`${question.text} ${answerByWords(question.text, scene)}`);
    }
  }
});

test("gold responses have the documented form", () => {
  // 372 / 104 / 991
  const scene: Scene = { rows: 3, columns: 3, digits: [3, 7, 2, 1, 0, 4, 9, 9, 1], samples: [], ink: 1 };
  const seen = new Map<string, string>();
  for (const kind of questionKinds) {
    for (let draw = 0; draw < 200; draw++) {
      const question = askQuestion(kind, scene, new RandomStream("form", draw));
      seen.set(question.text, goldResponse(question));
    }
  }
  expect(seen.get("Read the grid.")).toBe("<think>372;104;991</think>\\boxed{372;104;991}");
  expect(seen.get("Row 3 column 2?")).toBe("<think>9</think>\\boxed{9}");
  expect(seen.get("Sum of row 1?")).toBe("<think>372. 3+7=10, 10+2=12</think>\\boxed{12}");
  expect(seen.get("Sum of column 3?")).toBe("<think>241. 2+4=6, 6+1=7</think>\\boxed{7}");
  expect(seen.get("Largest in row 2?")).toBe("<think>104. max 4</think>\\boxed{4}");
  expect(seen.get("Smallest in column 2?")).toBe("<think>709. min 0</think>\\boxed{0}");
  expect(seen.get("How many 9s?")).toBe("<think>372;104;991. 9s: 2</think>\\boxed{2}");
  expect(seen.get("How many 5s?")).toBe("<think>372;104;991. 5s: 0</think>\\boxed{0}");
  expect(seen.get("Row 1 column 3 minus row 3 column 1?")).toBe("<think>29. 2-9=-7</think>\\boxed{-7}");
});

test("every row, column, cell and digit of a grid is asked about", () => {
  const texts = new Set<string>();
  for (const { question } of miniatureItems({ split: "rl", seed: 2, count: 12_000 })) texts.add(question.text);
  // 1 + 9 cells + 3 row sums + 3 column sums + 3 largest + 3 smallest + 10 counts + 9 * 8 ordered pairs of cells
  expect(texts.size).toBe(104);
});

test("two cells of a difference are never the same cell", () => {
  for (const { question } of miniatureItems({ split: "rl", seed: 2, count: 500, kinds: ["difference"] })) {
    const [first, second] = question.text.toLowerCase().replace("?", "").split(" minus ");
    expect(first).not.toBe(second);
  }
});

test("transcribing is not among the kinds that RL asks", () => {
  expect(reasoningKinds).toEqual(questionKinds.filter((kind) => kind !== "transcribe"));
  expect(reasoningKinds).toHaveLength(7);
});

test("a reading of the wrong length has no difference and no single digit", () => {
  const scene = makeScene({ split: "eval", seed: 1 }, 0);
  const cell = askQuestion("cell", scene, new RandomStream("length"));
  const difference = askQuestion("difference", scene, new RandomStream("length"));
  expect(answerFrom(cell, [])).toBeUndefined();
  expect(answerFrom(cell, [1, 2])).toBeUndefined();
  expect(answerFrom(difference, [1])).toBeUndefined();
  expect(answerFrom(difference, [1, 2, 3])).toBeUndefined();
  expect(answerFrom(difference, [1, 2])).toBe("-1");
});

test("a question about a scene without cells is refused", () => {
  const empty = { rows: 1, columns: 1, digits: [], samples: [], ink: 1 };
  expect(() => askQuestion("row-sum", empty, new RandomStream("empty"))).toThrow(
    /\[askQuestion\] row-sum: a scene without/,
  );
  expect(() => askQuestion("cell", empty, new RandomStream("empty"))).toThrow(/\[RandomStream.below\].* got 0/);
  expect(() => new RandomStream("empty").pick([])).toThrow(/\[RandomStream.below\].* got 0/);
});
