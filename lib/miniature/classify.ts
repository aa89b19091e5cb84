// Says what went wrong in a response about a known scene. It reads the chain form of questions.ts, in time linear in
// the text, whatever the text is.
import { lastBoxed } from "../reward/grader/boxed.ts";
import { gradeAnswer } from "../reward/grader/grade.ts";
import { answerFrom, needsWorking } from "./questions.ts";
import type { Question } from "./questions.ts";

/**
 * - `correct`: the boxed answer is the right one by the reward's own rules, whatever the chain says
 * - `format`: no chain and box, or a chain without a reading and (where the kind has one) a result
 * - `perception`: the digits as read differ from the picture's, and the answer that follows from them is wrong already
 * - `calculation`: the reading would do, but the working ends in a wrong result
 * - `inconsistency`: the chain ends in the right result, another one is boxed
 */
export type ResponseClass = "correct" | "format" | "perception" | "calculation" | "inconsistency";

/** Every class, errors in the order in which a chain can make them. */
export const responseClasses: readonly ResponseClass[] = [
  "correct",
  "format",
  "perception",
  "calculation",
  "inconsistency",
];

/** Longest text that is looked at; a longer one is `format`. A gold response has under 1,000 characters. */
const maxLength = 1 << 20;

/** The first thing that went wrong in a response, by the paper's error classes (Fig 1) as far as this world has them. */
export function classifyResponse(question: Question, text: string): ResponseClass {
  if (text.length > maxLength) return "format";
  const boxed = lastBoxed(text);
  if (boxed !== undefined && gradeAnswer(boxed, question.answer)) return "correct";
  const chain = chainOf(text);
  if (boxed === undefined || chain === undefined) return "format";
  const { reading, working } = splitChain(chain);
  const digits = digitsRead(reading);
  if (digits === undefined) return "format";
  const result = needsWorking(question.kind) ? lastInteger(working) : question.answer;
  if (result === undefined) return "format";
  if (answerFrom(question, digits) !== question.answer) return "perception";
  return result === question.answer || Number(result) === Number(question.answer) ? "inconsistency" : "calculation";
}

/** Text between the first `<think>` and the next `</think>`, when the last box comes after it. */
function chainOf(text: string): string | undefined {
  const open = text.indexOf("<think>");
  if (open < 0) return undefined;
  const close = text.indexOf("</think>", open);
  if (close < 0 || text.lastIndexOf("\\boxed{") < close) return undefined;
  return text.slice(open + "<think>".length, close);
}

/** The reading ends at the first full stop. */
function splitChain(chain: string): { reading: string; working: string } {
  const stop = chain.indexOf(".");
  return stop < 0 ? { reading: chain, working: "" } : { reading: chain.slice(0, stop), working: chain.slice(stop + 1) };
}

/** The digits of a reading; undefined when it is empty or holds anything but digits, semicolons and spaces. */
function digitsRead(reading: string): number[] | undefined {
  const digits: number[] = [];
  for (const character of reading) {
    if (character >= "0" && character <= "9") digits.push(Number(character));
    else if (!";, \n\t".includes(character)) return undefined;
  }
  return digits.length === 0 ? undefined : digits;
}

/** The last integer of a working with its sign; a minus after a digit is a subtraction. */
function lastInteger(working: string): string | undefined {
  const isDigit = (at: number) => at >= 0 && at < working.length && "0123456789".includes(working.charAt(at));
  let end = working.length;
  while (end > 0 && !isDigit(end - 1)) end--;
  if (end === 0) return undefined;
  let start = end;
  while (isDigit(start - 1)) start--;
  if (working[start - 1] === "-" && !isDigit(start - 2)) start--;
  return working.slice(start, end);
}
