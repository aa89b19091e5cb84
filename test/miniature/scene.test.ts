import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { DataError } from "../../lib/errors.ts";
import { makeScene, renderScene } from "../../lib/miniature/scene.ts";
import type { SceneOptions } from "../../lib/miniature/scene.ts";
import { loadSheet, readSheet, sheetLine, splitColumns } from "../../lib/miniature/sheet.ts";
import type { MiniatureSplit } from "../../lib/miniature/sheet.ts";

const splits = Object.keys(splitColumns) as MiniatureSplit[];

function sampleBytes(sheet: Uint8Array, digit: number, sample: number): string {
  const lines = Array.from({ length: 28 }, (_, y) => Buffer.from(sheetLine(sheet, digit, sample, y)));
  return Buffer.concat(lines).toString("latin1");
}

test("no digit sample is in two splits, and no two samples are the same picture", async () => {
  const sheet = await loadSheet();
  const owner = new Map<string, string>();
  for (const split of splits) {
    const [from, to] = splitColumns[split];
    for (let digit = 0; digit < 10; digit++) {
      for (let sample = from; sample < to; sample++) {
        const bytes = sampleBytes(sheet, digit, sample);
        expect(owner.get(bytes), `${split} digit ${digit} sample ${sample}`).toBeUndefined();
        owner.set(bytes, split);
      }
    }
  }
  expect(owner.size).toBe(5120);
});

test("a split's scenes use its own samples only, and all of them", () => {
  for (const split of splits) {
    const [from, to] = splitColumns[split];
    const used = new Set<number>();
    for (let index = 0; index < 500; index++) {
      for (const sample of makeScene({ split, seed: 7 }, index).samples) used.add(sample);
    }
    expect([Math.min(...used), Math.max(...used)]).toEqual([from, to - 1]);
  }
});

test("samplesPerDigit keeps to the first samples of the split", () => {
  for (let index = 0; index < 200; index++) {
    for (const sample of makeScene({ split: "rl", seed: 1, samplesPerDigit: 5 }, index).samples) {
      expect(sample).toBeGreaterThanOrEqual(128);
      expect(sample).toBeLessThan(133);
    }
  }
});

test("a scene is a function of seed, split and index", () => {
  const options: SceneOptions = { split: "rl", seed: 3 };
  expect(makeScene(options, 12)).toEqual(makeScene(options, 12));
  expect(makeScene(options, 13).digits).not.toEqual(makeScene(options, 12).digits);
  expect(makeScene({ ...options, seed: 4 }, 12).digits).not.toEqual(makeScene(options, 12).digits);
  expect(makeScene({ ...options, split: "eval" }, 12).digits).not.toEqual(makeScene(options, 12).digits);
});

test("the digits of many scenes are uniform", () => {
  const counts = new Array<number>(10).fill(0);
  for (let index = 0; index < 2000; index++) {
    for (const digit of makeScene({ split: "sft", seed: 0 }, index).digits) counts[digit] = (counts[digit] ?? 0) + 1;
  }
  // 18,000 digits: 1,800 each with a standard deviation of 40; five of them either way.
  for (const count of counts) expect(Math.abs(count - 1800)).toBeLessThan(200);
});

test.each([
  [1, 1],
  [1, 7],
  [2, 3],
  [9, 9],
])("a %i x %i picture has each digit's sample in its cell", async (rows, columns) => {
  const sheet = await loadSheet();
  const scene = makeScene({ split: "eval", seed: 5, rows, columns }, 1);
  const rgb = renderScene(scene, sheet);
  expect(rgb.length).toBe(rows * 28 * columns * 28 * 3);
  for (let y = 0; y < rows * 28; y++) {
    for (let x = 0; x < columns * 28; x++) {
      const cell = Math.floor(y / 28) * columns + Math.floor(x / 28);
      const grey = sheetLine(sheet, scene.digits[cell] ?? -1, scene.samples[cell] ?? -1, y % 28)[x % 28];
      const at = (y * columns * 28 + x) * 3;
      if (rgb[at] !== grey || rgb[at + 1] !== grey || rgb[at + 2] !== grey) expect.fail(`pixel ${x}, ${y} differs`);
    }
  }
});

test("faint ink draws the same strokes, each pixel at its share of the brightness", async () => {
  const sheet = await loadSheet();
  const options = { split: "rl", seed: 5 } as const;
  const full = renderScene(makeScene(options, 1), sheet);
  const faint = renderScene(makeScene({ ...options, ink: 0.25 }, 1), sheet);
  // 16 grey levels of 17 each: a quarter of 255, 17 and 51 is 63.75, 4.25 and 12.75
  expect([...faint]).toEqual(Array.from(full, (grey) => Math.round(grey / 4)));
  expect(Math.max(...faint)).toBe(64);
});

test("every sample of the sheet has ink", async () => {
  const sheet = await loadSheet();
  for (let digit = 0; digit < 10; digit++) {
    for (let sample = 0; sample < 512; sample++) {
      const ink = Buffer.from(sampleBytes(sheet, digit, sample), "latin1").reduce((total, grey) => total + grey, 0);
      // A thin "1" has about 15 full pixels.
      expect(ink, `digit ${digit} sample ${sample}`).toBeGreaterThan(10 * 255);
    }
  }
});

test.each([
  { rows: 0 },
  { rows: 10 },
  { columns: 2.5 },
  { samplesPerDigit: 0 },
  { samplesPerDigit: 129 },
  { ink: 0 },
  { ink: 1.1 },
])("a scene of %o is refused by name", (wrong) => {
  const [name] = Object.keys(wrong);
  expect(() => makeScene({ split: "sft", seed: 1, ...wrong }, 0)).toThrow(new RegExp(`\\[makeScene\\] ${name}: `));
});

test("a sheet that is missing or has another size is a DataError with its name", async () => {
  const dir = await mkdtemp(join(tmpdir(), "papo-sheet-"));
  try {
    await expect(readSheet(join(dir, "none.png"))).rejects.toThrow(DataError);
    const small = join(dir, "small.png");
    await sharp({ create: { width: 28, height: 28, channels: 3, background: "black" } })
      .png()
      .toFile(small);
    await expect(readSheet(small)).rejects.toThrow(/small\.png: expected a digit sheet of 14336x280 px/);
    const text = join(dir, "text.png");
    await writeFile(text, "not a picture");
    await expect(readSheet(text)).rejects.toThrow(/text\.png: the digit sheet cannot be read/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
