import { join } from "node:path";
import sharp from "sharp";
import { DataError } from "../errors.ts";

/** Side of a digit's cell in pixels: one merged image token (2x2 patches of 14 px). */
export const cellPixels = 28;

/** What a scene is for. Each split has handwriting of its own. */
export type MiniatureSplit = "sft" | "rl" | "eval";

/** Columns [from, to) of the sheet per split. RL sees twice as many samples as SFT: reading is what it has to learn. */
export const splitColumns: Readonly<Record<MiniatureSplit, readonly [number, number]>> = {
  sft: [0, 128],
  rl: [128, 384],
  eval: [384, 512],
};

const numColumns = 512;
const sheetFile = join(import.meta.dirname, "digits.png");
let loading: Promise<Uint8Array> | undefined;

/**
 * The sprite sheet, loaded once: [10 * 28, 512 * 28] grey bytes, row-major; row band = digit, column = sample.
 * Real handwriting (MNIST), put there by scripts/make-digit-sprites.mjs.
 * @throws {DataError} when the shipped file is missing or has another size
 */
export function loadSheet(): Promise<Uint8Array> {
  loading ??= readSheet(sheetFile);
  return loading;
}

/** Reads a sheet from a file; loadSheet is the one to call. */
export async function readSheet(file: string): Promise<Uint8Array> {
  const { data, info } = await sharp(file)
    .toColourspace("b-w")
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new DataError(file, undefined, "the digit sheet cannot be read", { cause });
    });
  const [width, height] = [numColumns * cellPixels, 10 * cellPixels];
  if (info.width !== width || info.height !== height || info.channels !== 1) {
    const got = `${info.width}x${info.height} px with ${info.channels} channels`;
    throw new DataError(file, undefined, `expected a digit sheet of ${width}x${height} px with 1 channel, got ${got}`);
  }
  return data;
}

/** The 28 grey bytes of line y of one sample. */
export function sheetLine(sheet: Uint8Array, digit: number, sample: number, y: number): Uint8Array {
  const start = (digit * cellPixels + y) * numColumns * cellPixels + sample * cellPixels;
  return sheet.subarray(start, start + cellPixels);
}
