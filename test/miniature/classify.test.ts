import fc from "fast-check";
import { expect, test } from "vitest";
import { classifyResponse, responseClasses } from "../../lib/miniature/classify.ts";
import { miniatureItems } from "../../lib/miniature/dataset.ts";
import { answerFrom, goldResponse, needsWorking, questionKinds } from "../../lib/miniature/questions.ts";
import type { Question, QuestionKind } from "../../lib/miniature/questions.ts";

const questions = [...miniatureItems({ split: "eval", seed: 4, count: 400 })].map((item) => item.question);
const anyQuestion = fc.constantFrom(...questions);
const withWorking = fc.constantFrom(...questions.filter((question) => needsWorking(question.kind)));

function ofKind(kind: QuestionKind): Question {
  const found = questions.find((question) => question.kind === kind);
  if (!found) throw new Error(`no ${kind} question`);
  return found;
}

/** The gold response with another reading, another result of the working, another box. */
function respond(question: Question, changed: { seen?: readonly number[]; result?: string; boxed?: string }): string {
  const seen = changed.seen ?? question.seen;
  const follows = answerFrom(question, seen) ?? "0";
  const gold = goldResponse({ ...question, seen, answer: changed.boxed ?? changed.result ?? follows });
  if (changed.result === undefined) return gold;
  return gold.replace(/(-?\d+)<\/think>/, `${changed.result}</think>`);
}

test.each(questionKinds)("gold responses to %s questions are correct", (kind) => {
  const ofThisKind = questions.filter((question) => question.kind === kind);
  expect(ofThisKind.length).toBeGreaterThan(20);
  for (const question of ofThisKind) expect(classifyResponse(question, goldResponse(question))).toBe("correct");
});

test("a digit misread is perception where the answer follows from it, and correct where it does not matter", () => {
  fc.assert(
    fc.property(anyQuestion, fc.nat(), fc.integer({ min: 1, max: 9 }), (question, place, shift) => {
      const at = place % question.seen.length;
      const seen = question.seen.map((digit, index) => (index === at ? (digit + shift) % 10 : digit));
      const matters = answerFrom(question, seen) !== question.answer;
      expect(classifyResponse(question, respond(question, { seen }))).toBe(matters ? "perception" : "correct");
    }),
  );
});

test("a wrong result after a right reading is calculation, whether it is boxed or not", () => {
  fc.assert(
    fc.property(withWorking, fc.integer({ min: 1, max: 30 }), fc.boolean(), (question, shift, isBoxed) => {
      const result = String(Number(question.answer) + shift);
      const boxed = isBoxed ? result : String(Number(question.answer) - 1);
      expect(classifyResponse(question, respond(question, { result, boxed }))).toBe("calculation");
    }),
  );
});

test("a wrong result after a misreading that would do is calculation", () => {
  // 3 7 2 read as 1 7 2: the largest is still 7, but the working says 8.
  const question: Question = { kind: "row-largest", text: "", seen: [3, 7, 2], groupSize: 3, answer: "7" };
  expect(classifyResponse(question, "<think>172. max 8</think>\\boxed{8}")).toBe("calculation");
  expect(classifyResponse(question, "<think>182. max 8</think>\\boxed{8}")).toBe("perception");
});

test("a box that differs from a right chain is inconsistency", () => {
  fc.assert(
    fc.property(anyQuestion, fc.integer({ min: 1, max: 30 }), (question, shift) => {
      const boxed = question.kind === "transcribe" ? String(shift) : String(Number(question.answer) + shift);
      expect(classifyResponse(question, respond(question, { boxed }))).toBe("inconsistency");
    }),
  );
});

test("too few or too many digits read are perception", () => {
  fc.assert(
    fc.property(anyQuestion, fc.boolean(), (question, more) => {
      fc.pre(question.seen.length > 1 || more);
      const seen = more ? [...question.seen, 9] : question.seen.slice(1);
      const follows = answerFrom(question, seen);
      fc.pre(follows !== question.answer);
      expect(classifyResponse(question, respond(question, { seen, boxed: "wrong" }))).toBe("perception");
    }),
  );
});

test.each([
  ["", "empty"],
  ["12", "no chain, no box"],
  ["<think>372. 3+7=10, 10+2=12</think>12", "no box"],
  ["372. 3+7=10, 10+2=13 \\boxed{13}", "no tags"],
  ["<think>372. 3+7=10, 10+2=13 \\boxed{13}", "no closing tag"],
  ["</think>\\boxed{13}<think>", "tags the wrong way round"],
  ["<think>372. 3+7=10, 10+2=13 \\boxed{13}</think>", "the box inside the chain"],
  ["<think></think>\\boxed{13}", "an empty chain"],
  ["<think>. 3+7=10, 10+2=13</think>\\boxed{13}", "no reading"],
  ["<think>3a2. 3+7=10, 10+2=13</think>\\boxed{13}", "letters in the reading"],
  ["<think>372</think>\\boxed{13}", "no working"],
  ["<think>372. so much</think>\\boxed{13}", "a working without a number"],
  ["<think>372. 3+7=10, 10+2=13</think>\\boxed{13", "an open brace"],
])("%s is format: %s", (text) => {
  const question: Question = { kind: "row-sum", text: "", seen: [3, 7, 2], groupSize: 3, answer: "12" };
  expect(classifyResponse(question, text)).toBe("format");
});

test("the box alone decides what is correct, by value and up to white space", () => {
  const question: Question = { kind: "row-sum", text: "", seen: [3, 7, 2], groupSize: 3, answer: "12" };
  for (const text of ["\\boxed{12}", "\\boxed{1}\\boxed{ 12 }", "<think>9</think>\\boxed{12.0}", "\\boxed{{12}}"]) {
    expect(classifyResponse(question, text)).toBe("correct");
  }
  expect(classifyResponse(question, "<think>372. 3+7=10, 10+2=12</think>\\boxed{12 14}")).toBe("inconsistency");
});

test("a negative result and a subtraction are told apart", () => {
  const question: Question = { kind: "difference", text: "", seen: [2, 9], groupSize: 2, answer: "-7" };
  expect(classifyResponse(question, "<think>29. 2-9=-7</think>\\boxed{7}")).toBe("inconsistency");
  expect(classifyResponse(question, "<think>29. 2-9=7</think>\\boxed{7}")).toBe("calculation");
  expect(classifyResponse(question, "<think>29. 2-7</think>\\boxed{7}")).toBe("calculation");
});

test("spaces and separators in a reading do not matter", () => {
  const question = ofKind("transcribe");
  const spaced = question.seen.join(" ");
  expect(classifyResponse(question, `<think> ${spaced} </think>\\boxed{1}`)).toBe("inconsistency");
});

test("any text has a class", () => {
  const pieces = fc.constantFrom(
    "<think>",
    "</think>",
    "\\boxed{",
    "}",
    "{",
    ".",
    "-",
    "=",
    "3",
    "72",
    ";",
    " ",
    "é",
    "\0",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(anyQuestion, text, (question, response) => {
      expect(responseClasses).toContain(classifyResponse(question, response));
    }),
  );
});

test("a million characters of any one piece are classed, not chewed on", () => {
  const question = ofKind("row-sum");
  for (const piece of ["\\boxed{", "<think>", "</think>", "{", "}", "9", "-", ".", " ", "3+", "\u{1f600}"]) {
    const filler = piece.repeat(Math.floor(1_000_000 / piece.length));
    for (const text of [
      filler,
      `<think>${filler}</think>\\boxed{1}`,
      `<think>1. ${filler}</think>\\boxed{${filler}}`,
    ]) {
      expect(responseClasses).toContain(classifyResponse(question, text));
    }
  }
  expect(classifyResponse(question, `\\boxed{${question.answer}}`.padStart((1 << 20) + 1))).toBe("format");
});
