import { RandomStream } from "./random.ts";
import { cellPixels, sheetLine, splitColumns } from "./sheet.ts";
import type { MiniatureSplit } from "./sheet.ts";

/** A grid of handwritten digits. */
export interface Scene {
  readonly rows: number;
  readonly columns: number;
  /** [rows * columns] digits 0 to 9, row-major. */
  readonly digits: readonly number[];
  /** [rows * columns] column of the sprite sheet that each digit is drawn from. */
  readonly samples: readonly number[];
  /** Brightness of the strokes, in (0, 1]; 1 as scanned. */
  readonly ink: number;
}

/** Which scenes to make; everything but the index of the scene. */
export interface SceneOptions {
  readonly split: MiniatureSplit;
  readonly seed: number;
  /** Default 3. */
  readonly rows?: number;
  /** Default 3. */
  readonly columns?: number;
  /** Only the split's first so many samples of each digit; default all. Fewer leave more handwriting unseen. */
  readonly samplesPerDigit?: number;
  /** Brightness of the strokes, in (0, 1]; default 1. Faint ink is harder to read for a model that has not seen any. */
  readonly ink?: number;
}

/**
 * Brightness of the strokes in the quickstart and in the benchmarks. The warm start has only seen ink as scanned (1): of
 * this faint one it misreads every third question, and reading it is what training has to teach.
 */
export const faintInk = 0.18;

/** A side of at most 9 cells, so that a row or column is named by one digit. */
export const maxSide = 9;

/**
 * Scene `index` of a split: digits and handwriting drawn uniformly, a function of (seed, split, index, sizes).
 * @throws {RangeError} when rows or columns are not in [1, 9], samplesPerDigit is not in [1, the split's count], or ink
 *   not in (0, 1]
 */
export function makeScene(options: SceneOptions, index: number): Scene {
  const { split, seed, rows = 3, columns = 3, ink = 1 } = options;
  const [from, to] = splitColumns[split];
  const samplesPerDigit = options.samplesPerDigit ?? to - from;
  checkCount("rows", rows, maxSide);
  checkCount("columns", columns, maxSide);
  checkCount("samplesPerDigit", samplesPerDigit, to - from);
  if (!(ink > 0 && ink <= 1)) throw new RangeError(`[makeScene] ink: expected a number > 0 and <= 1, got ${ink}`);
  const random = new RandomStream("scene", split, seed, index, rows, columns, samplesPerDigit);
  const cells = Array.from({ length: rows * columns }, () => ({
    digit: random.below(10),
    sample: from + random.below(samplesPerDigit),
  }));
  return { rows, columns, ink, digits: cells.map((cell) => cell.digit), samples: cells.map((cell) => cell.sample) };
}

function checkCount(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(`[makeScene] ${name}: expected an integer from 1 to ${most}, got ${value}`);
}

/**
 * The picture of a scene, white ink on black: [rows * 28, columns * 28, 3] RGB bytes. Black paper, because the published
 * masking blackens cells: a masked digit then looks partly or wholly unwritten, not covered by a bright or dark square.
 */
export function renderScene(scene: Scene, sheet: Uint8Array): Uint8Array {
  const width = scene.columns * cellPixels;
  const rgb = new Uint8Array(scene.rows * cellPixels * width * 3);
  scene.digits.forEach((digit, cell) => {
    const top = Math.floor(cell / scene.columns) * cellPixels;
    const left = (cell % scene.columns) * cellPixels;
    const sample = scene.samples[cell] ?? 0;
    for (let y = 0; y < cellPixels; y++) {
      let at = ((top + y) * width + left) * 3;
      for (const scanned of sheetLine(sheet, digit, sample, y)) {
        const grey = Math.round(scanned * scene.ink);
        rgb[at++] = grey;
        rgb[at++] = grey;
        rgb[at++] = grey;
      }
    }
  });
  return rgb;
}
