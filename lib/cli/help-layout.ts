// How help looks: descriptions beside what they describe where there is room for them, else below.
import { Help } from "@commander-js/extra-typings";

/** Columns that a description has to have beside its term. */
const minWidth = 30;
const indent = " ".repeat(6);

/** Breaks text at blanks into lines of at most `width` characters; a longer word has a line of its own. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/u)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** For `Command.configureHelp`. */
export const helpLayout: Partial<Help> = {
  minWidthToWrap: minWidth,
  formatItem(term, termWidth, description, helper) {
    const width = helper.helpWidth ?? 80;
    if (width - termWidth - 4 >= minWidth)
      return Help.prototype.formatItem.call(helper, term, termWidth, description, helper);
    const below = description === "" ? [] : wrapped(description, width - indent.length).map((line) => indent + line);
    return [`  ${term}`, ...below].join("\n");
  },
};
