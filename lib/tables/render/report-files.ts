import type { Report } from "../definition.ts";
import { toCsv } from "./csv.ts";
import { toSvg } from "./figure-svg.ts";
import { toLatex } from "./latex.ts";
import { toMarkdown } from "./markdown.ts";
import { toPng } from "./png.ts";

/** Every form of a report by file name, e.g. `figure4.md`, `.csv`, `.tex`, and for a figure `.svg` and `.png`. */
export function reportFiles({ table, figure }: Report): Readonly<Record<string, string | Buffer>> {
  const { name } = table;
  const files = {
    [`${name}.md`]: toMarkdown(table),
    [`${name}.csv`]: toCsv(table),
    [`${name}.tex`]: toLatex(table),
  };
  if (!figure) return files;
  const svg = toSvg(figure);
  return { ...files, [`${name}.svg`]: svg, [`${name}.png`]: toPng(svg) };
}
