// The commands of the documentation: every ```sh block of README.md and docs/*.md as words.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/native/load.ts";

export interface DocCommand {
  /** `docs/data.md:12`. */
  readonly place: string;
  /** As it is written, on one line. */
  readonly text: string;
  /** `NAME=value` words before the program. */
  readonly env: Readonly<Record<string, string>>;
  /** The program, then its arguments. */
  readonly words: readonly string[];
  /** File behind `>`. */
  readonly redirect: string | undefined;
}

/** Pages, relative to the package. */
export function docPages(): string[] {
  const pages = readdirSync(join(packageRoot, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", ...pages.map((name) => `docs/${name}`)];
}

export const readPage = (page: string) => readFileSync(join(packageRoot, page), "utf8");

/** Code blocks of a language, with the line that each begins after. */
export function codeBlocks(page: string, language: string): { readonly line: number; readonly text: string }[] {
  const text = readPage(page);
  const found = text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^\\1\`\`\`$`, "gmu"));
  return [...found].map(({ index, 2: block = "" }) => ({ line: text.slice(0, index).split("\n").length, text: block }));
}

export function docCommands(page: string): DocCommand[] {
  return codeBlocks(page, "sh").flatMap(({ line: start, text }) => {
    let joined = "";
    let first = start + 1;
    return text.split("\n").flatMap((line, index) => {
      if (joined === "") first = start + 1 + index;
      joined += line.endsWith("\\") ? `${line.slice(0, -1)} ` : line;
      if (line.endsWith("\\")) return [];
      const whole = joined;
      joined = "";
      const command = commandOf(whole, `${page}:${first}`);
      return command === undefined ? [] : [command];
    });
  });
}

/** Plain words, '...' and "..." (nothing in them is special), `NAME=value` in front, a comment or `> FILE` at the end. */
function commandOf(line: string, place: string): DocCommand | undefined {
  const words = [...line.matchAll(/#.*|(?:'[^']*'|"[^"]*"|[^\s'"#]|(?<=\S)#)+/gu)].map(([word]) => word);
  const comment = words.findIndex((word) => word.startsWith("#"));
  const written = comment < 0 ? words : words.slice(0, comment);
  if (written.length === 0) return undefined;
  const beyond = written.find((word) => /^(?:[|;&<]+|>>|.*[`$].*)$/u.test(word));
  if (beyond !== undefined) throw new Error(`${place}: the tests of the documentation do not know ${beyond}`);
  const arrow = written.indexOf(">");
  const command = arrow < 0 ? written : written.slice(0, arrow);
  const program = command.findIndex((word) => !/^[A-Z_]+=/u.test(word));
  const unquoted = (word: string) => word.replaceAll(/'([^']*)'|"([^"]*)"/gu, "$1$2");
  const env = command.slice(0, Math.max(program, 0)).map((word) => unquoted(word).split(/=(.*)/su));
  return {
    place,
    text: written.join(" "),
    env: Object.fromEntries(env.map(([name = "", value = ""]) => [name, value])),
    words: command.slice(program).map(unquoted),
    redirect: arrow < 0 ? undefined : written[arrow + 1],
  };
}
