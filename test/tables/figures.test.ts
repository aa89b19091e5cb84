import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import { expect, test } from "vitest";
import type { Figure, LinePanel } from "../../lib/tables/figure.ts";
import { tables } from "../../lib/tables/registry.ts";
import { toSvg } from "../../lib/tables/render/figure-svg.ts";
import { toPng } from "../../lib/tables/render/png.ts";
import { reportFiles } from "../../lib/tables/render/report-files.ts";
import { linearScale } from "../../lib/tables/render/scale.ts";
import { runRef, runWith } from "./support.ts";

const panel: LinePanel = {
  kind: "lines",
  title: "a < b & c",
  xLabel: "training step",
  yLabel: 'reward "x"',
  series: [
    { label: "GRPO", isIncomplete: false, points: [{ x: 0, y: 0 }, { x: 10, y: 1 }], band: [] },
    { label: "PAPO_γ", isIncomplete: true, points: [{ x: 0, y: 0.5 }, { x: 5, y: 0.5 }], band: [{ x: 0, low: 0.4, high: 0.6 }, { x: 5, low: 0.4, high: 0.6 }] },
  ],
  marks: [{ label: "GRPO", x: 10, y: 0.9 }],
}; // prettier-ignore
const figure: Figure = { name: "f", title: "T", panels: [panel], panelColumns: 1, legend: "shared", caption: ["note"] };

test("data are drawn where the axes say", () => {
  const svg = toSvg(figure);
  // Plot area of a single panel 400 wide: x from 58 to 388, y from 30 + 24 = 54 to 30 + 228 - 40 = 218. The axes are
  // 0 to 10 and 0 to 1.
  expect(svg).toContain('<polyline points="58,218 388,54"');
  expect(svg).toContain('<polyline points="58,136 223,136"');
  expect(svg).toContain('<polygon points="58,119.6 223,119.6 223,152.4 58,152.4"');
  // The mark at (388, 54 + 0.1 x 164 = 70.4), the unfinished run's cross around (223, 136).
  expect(svg).toContain('<polygon points="388,65.4 393,70.4 388,75.4 383,70.4"');
  expect(svg).toContain("M219 140L227 132M219 132L227 140");
});

test("text of results cannot break the picture", () => {
  const svg = toSvg(figure);
  expect(svg).toContain("a &lt; b &amp; c");
  expect(svg).toContain("reward &quot;x&quot;");
  expect(() => new Resvg(svg)).not.toThrow();
});

test("the legend is below the data and names lines, the paper's marks and unfinished runs once", () => {
  const svg = toSvg(figure);
  for (const label of ["GRPO", "PAPO_γ", "the paper's value", "run not finished"]) {
    const texts = [...svg.matchAll(/<text x="[\d.]+" y="([\d.]+)"[^>]*>([^<]*)<\/text>/gu)].filter(
      ([, , text]) => text === label,
    );
    expect([label, texts.length]).toEqual([label, 1]);
    expect(Number(texts[0]?.[1])).toBeGreaterThan(30 + 228);
  }
});

test("colours are told apart with any colour vision: no two lines share colour and dash", () => {
  const series = Array.from({ length: 7 }, (_, index) => ({ ...panel.series[0], label: `line ${index}` }));
  const svg = toSvg({ ...figure, panels: [{ ...panel, series: series as LinePanel["series"], marks: [] }] });
  const styles = [
    ...svg.matchAll(/<polyline[^>]* stroke="(#\w+)"[^>]*?(?:stroke-dasharray="([\d. ]+)")? stroke-linejoin/gu),
  ];
  expect(new Set(styles.map(([, color]) => color)).size).toBe(7);
  expect(new Set(styles.map(([, , dash]) => dash)).size).toBe(7);
});

test.each([
  [[0.41, 0.653], "ticks", [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7], 2],
  [[-0.9, -0.03], "ticks", [-1, -0.8, -0.6, -0.4, -0.2, 0], 1],
  [[0.0006, 0.007], "ticks", [0, 0.002, 0.004, 0.006, 0.008], 3],
  [[0, 202], "values", [0, 50, 100, 150, 200], 0],
  [[5, 5], "ticks", [5, 6], 0],
  [[0, 0], "ticks", [0, 0.2], 1],
] as const)("an axis over %j that ends at %s has round ticks", (values, end, ticks, digits) => {
  const scale = linearScale(values, [0, 100], end);
  expect(scale.ticks.map((tick) => Number(tick.toFixed(6)))).toEqual(ticks);
  expect(scale.digits).toBe(digits);
});

test("a picture has the size of its SVG times three, ink on white, and the same bytes each time", async () => {
  const svg = toSvg(figure);
  const png = toPng(svg);
  expect(toPng(toSvg(figure)).equals(png)).toBe(true);
  const [, width, height] = /width="(\d+)" height="(\d+)"/u.exec(svg) ?? [];
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([3 * Number(width), 3 * Number(height)]);
  expect([...data.subarray(0, 3)]).toEqual([255, 255, 255]);
});

test("labels are drawn with the font that comes along", async () => {
  const darkPixels = async (svg: string) => {
    const { data } = await sharp(toPng(svg)).greyscale().raw().toBuffer({ resolveWithObject: true });
    return data.filter((value) => value < 100).length;
  };
  const svg = toSvg(figure);
  const [withText, without] = [await darkPixels(svg), await darkPixels(svg.replace(/<text[^>]*>[^<]*<\/text>/gu, ""))];
  expect(withText - without).toBeGreaterThan(5000);
});

test("a panel without results says so", () => {
  const svg = toSvg({ ...figure, panels: [{ ...panel, series: [], marks: [] }] });
  expect(svg).toContain("no results yet");
});

const scales = ["paper", "mini"] as const;
const reports = Object.values(tables).flatMap((definition) => scales.map((scale) => [definition.name, scale] as const));

test.each(reports)("%s at scale %s comes in every form without results", (name, scale) => {
  const report = tables[name]?.make(scale, {});
  const files = report ? reportFiles(report) : {};
  const forms = report?.figure ? ["csv", "md", "png", "svg", "tex"] : ["csv", "md", "tex"];
  expect(Object.keys(files).sort()).toEqual(forms.map((form) => `${name}.${form}`));
  for (const [file, content] of Object.entries(files)) {
    if (typeof content === "string")
      expect([file, /NaN|undefined|Infinity/u.exec(content)?.[0]]).toEqual([file, undefined]);
  }
  const widths = (files[`${name}.md`] as string).split("\n").filter((line) => line.startsWith("|")).map((line) => line.split(" | ").length); // prettier-ignore
  expect(new Set(widths).size).toBe(1);
});

test.each(reports.filter(([name]) => tables[name]?.takes === "metrics"))(
  "%s at scale %s draws every run that has results",
  (name, scale) => {
    const definition = tables[name];
    const values = Array.from({ length: 12 }, (_, index) => 0.1 + index / 20);
    const runs = (definition?.runs[scale] ?? []).map((run) =>
      runWith(
        runRef(run.method, { size: run.size }),
        Object.fromEntries((definition?.metrics ?? []).map((metric) => [metric, values])),
      ),
    );
    const report = definition?.make(scale, { runs });
    const svg = report?.figure ? toSvg(report.figure) : "";
    expect(svg).not.toMatch(/NaN|undefined|no results yet/u);
    expect(
      report?.table.rows.some(({ cells }) => cells.some((cell) => cell.kind === "text" && cell.text === "not run")),
    ).toBe(false);
  },
);
