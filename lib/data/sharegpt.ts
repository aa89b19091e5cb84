// Rows of conversations (ShareGPT layout, as PAPO-Eval's data has it) as rows of columns.
import { DataError } from "../errors.ts";
import type { ColumnKeys, RowPlace } from "./example.ts";
import type { Row } from "./row-file.ts";

/** How a data set's rows say what is asked: in columns, or in a list of messages. */
export const layouts = ["columns", "sharegpt"] as const;
export type Layout = (typeof layouts)[number];

/** The column of messages, and in a message the names of its role and text: LLaMA-Factory's two spellings. */
const spellings = [
  { column: "messages", role: "role", text: "content", user: "user", assistant: "assistant" },
  { column: "conversations", role: "from", text: "value", user: "human", assistant: "gpt" },
] as const;

/**
 * A conversation of one user and one assistant message with the first as question and the second as ground truth; other
 * columns stay. A system message is left to the caller's settings.
 * @throws {DataError} when there is no such conversation
 */
export function flattenConversation(row: Row, place: RowPlace, keys: ColumnKeys): Row {
  const spelling = spellings.find(({ column }) => Array.isArray(row.values[column]));
  const fail = (text: string): never => {
    throw new DataError(place.file, place.row, `${spelling?.column ?? "messages"}: ${text}`);
  };
  if (spelling === undefined) return fail("expected a list of messages, got none");
  const messages = (row.values[spelling.column] as unknown[]).map((message) =>
    typeof message === "object" && message !== null ? (message as Record<string, unknown>) : {},
  );
  const textOf = (role: string): unknown => {
    const found = messages.filter((message) => message[spelling.role] === role);
    if (found.length !== 1) return fail(`expected one message of ${role}, got ${found.length}`);
    return found[0]?.[spelling.text];
  };
  const others = Object.entries(row.values).filter(([key]) => key !== spelling.column);
  const values = {
    ...Object.fromEntries(others),
    [keys.promptKey]: textOf(spelling.user),
    [keys.answerKey]: textOf(spelling.assistant),
  };
  return { values, numberText: (key) => row.numberText(key) };
}
