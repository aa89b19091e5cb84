// Builds lib/miniature/digits.png from the `mnist` development package: one row a digit, one column a sample, cells of
// 28x28 px, grey, in 16 levels (half the file size of 256 and no difference to the eye). The sheet is committed, so that
// nothing but this script needs the package. lib/miniature/sheet.ts says which columns belong to which split.
// usage: node scripts/make-digit-sprites.mjs [OUT.png]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import sharp from "sharp";

const CELL = 28;
const SAMPLES_PER_DIGIT = 512;
const LEVELS = 16;

const root = dirname(import.meta.dirname);
const out = process.argv[2] ?? join(root, "lib", "miniature", "digits.png");
const digitsFolder = join(dirname(createRequire(import.meta.url).resolve("mnist/package.json")), "src", "digits");

/** The first distinct samples of one digit, each [28 * 28] bytes; the package's order, so that splits are ranges of it. */
function samplesOf(digit, seen) {
  const { data } = JSON.parse(readFileSync(join(digitsFolder, `${digit}.json`), "utf8"));
  const samples = [];
  for (let start = 0; samples.length < SAMPLES_PER_DIGIT; start += CELL * CELL) {
    if (start + CELL * CELL > data.length) throw new Error(`digit ${digit}: fewer than ${SAMPLES_PER_DIGIT} samples`);
    const sample = Buffer.from(data.slice(start, start + CELL * CELL).map(quantize));
    const key = sample.toString("latin1");
    if (seen.has(key)) continue;
    seen.add(key);
    samples.push(sample);
  }
  return samples;
}

function quantize(value) {
  return Math.round(Math.round(value * (LEVELS - 1)) * (255 / (LEVELS - 1)));
}

const width = SAMPLES_PER_DIGIT * CELL;
const height = 10 * CELL;
const sheet = Buffer.alloc(width * height);
const seen = new Set();
for (let digit = 0; digit < 10; digit++) {
  samplesOf(digit, seen).forEach((sample, column) => {
    for (let y = 0; y < CELL; y++) {
      sample.copy(sheet, (digit * CELL + y) * width + column * CELL, y * CELL, (y + 1) * CELL);
    }
  });
}
const info = await sharp(sheet, { raw: { width, height, channels: 1 } })
  .toColourspace("b-w")
  .png({ compressionLevel: 9, adaptiveFiltering: false })
  .toFile(out);
console.log(`${out}: ${width}x${height} px, ${info.channels} channel(s), ${info.size} bytes`);
