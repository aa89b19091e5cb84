import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { decodeImage } from "../../lib/data/image.ts";
import { ConfigError, DataError } from "../../lib/errors.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { defaultImageSpec } from "../../lib/processor/image-size.ts";
import { rankDataset, type RankedDataset, type RankOptions, rankingsOf } from "../../lib/saliency/rank-dataset.ts";
import { SaliencyModel, saliencySource } from "../../lib/saliency/saliency-model.ts";
import { lockRunFolder } from "../../lib/trainer/run-lock.ts";
import type { Example } from "../../lib/types.ts";
import { tempFolder } from "../support/temp.ts";

const native = loadNative();
const source = await saliencySource({
  ...{ model: join(packageRoot, "test", "fixtures", "dinov2", "mlp"), policy: null, layers: [1, 2] },
  ...{ imageSpec: defaultImageSpec({ trainerMinPixels: 0, trainerMaxPixels: 0 }), exifRotate: false },
  layersKey: "--layers",
});

async function writePicture(path: string, seed: number, width: number, height: number): Promise<void> {
  const rgb = Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => (i * i * seed + 31 * i) % 256));
  await sharp(rgb, { raw: { width, height, channels: 3 } }).png().toFile(path); // prettier-ignore
}

/** Rows of one or two pictures; one is there twice, one is no picture, one row has none, one row is broken. */
async function makeData(): Promise<string> {
  const folder = tempFolder();
  for (const [index, [width, height]] of [
    [60, 40],
    [33, 90],
    [28, 28],
  ].entries())
    // prettier-ignore
    await writePicture(join(folder, `${index}.png`), index + 3, width ?? 0, height ?? 0);
  writeFileSync(join(folder, "copy.png"), readFileSync(join(folder, "0.png")));
  writeFileSync(join(folder, "broken.png"), "no picture");
  const rows = [["0.png"], ["1.png", "2.png"], ["copy.png", "0.png"], [], ["broken.png"], ["none.png"]];
  const lines = rows.map((images, row) =>
    JSON.stringify({ id: `row ${row}`, problem: `q${"<image>".repeat(images.length)}`, answer: "1", images }),
  );
  writeFileSync(join(folder, "rows.jsonl"), `${lines.join("\n")}\n`);
  return join(folder, "rows.jsonl");
}

async function rank(data: string, over: Partial<RankOptions> = {}): Promise<RankedDataset & { said: string[] }> {
  const said: string[] = [];
  const options = { device: "cpu", path: null, pathKey: "--out", say: (line: string) => void said.push(line) } as const;
  return { ...(await rankDataset(await openDataset(data), source, { ...options, ...over })), said };
}

test("each different picture is ranked once, unreadable ones are counted, a second pass has nothing to do", async () => {
  const data = await makeData();
  const seen: number[] = [];
  const first = await rank(data, { onProgress: (done, total) => seen.push(done, total) });
  await using file = first.file;
  // Unreadable: the text that is no picture, and the row whose picture is not there.
  expect([file.size, first.numNew, first.numUnreadable, first.said]).toEqual([3, 3, 2, []]);
  expect(seen).toEqual([6, 6]);
  expect(file.path).toMatch(/rows\.jsonl\.[0-9a-f]{16}\.saliency$/u);
  const bytes = readFileSync(file.path);
  const again = await rank(data);
  await using second = again.file;
  expect([second.size, again.numNew, again.numUnreadable]).toEqual([3, 0, 2]);
  expect(readFileSync(file.path).equals(bytes)).toBe(true);
});

test("a picture's ranking is the model's, found by its bytes wherever it lies", async () => {
  const data = await makeData();
  await using file = (await rank(data)).file;
  using model = await SaliencyModel.open(source, "cpu");
  const rankings = rankingsOf(file);
  for (const name of ["0.png", "copy.png", "1.png", "2.png"]) {
    const path = join(data, "..", name);
    const { rgb, height, width } = await decodeImage({ path }, { file: data, row: 1 });
    const image = native.createImage(rgb, height, width, source.imageSpec);
    const { rows, cols, order } = await model.rank(image);
    native.dispose(image);
    const where = { file: data, row: 1 } as Example;
    expect(await rankings.find({ path }, where)).toEqual({ rows, cols, order });
    expect(await rankings.find({ bytes: readFileSync(path) }, where)).toEqual({ rows, cols, order });
    expect(file.has(createHash("sha256").update(readFileSync(path)).digest("hex"))).toBe(true);
  }
  const failure = await rankings.find({ bytes: new Uint8Array(3) }, { file: data, row: 7 } as Example).catch((e: unknown) => e); // prettier-ignore
  expect(failure).toBeInstanceOf(DataError);
  expect(String(failure)).toMatch(/rows\.jsonl:7: .* has no ranking of the picture/u);
});

test("stopped between rows it keeps what it has, and frees lock and pictures", async () => {
  const data = await makeData();
  const lines = readFileSync(data, "utf8");
  for (let row = 0; row < 20; row++) await writePicture(join(data, "..", `more${row}.png`), row + 9, 20 + row, 30);
  const more = Array.from({ length: 20 }, (_, row) => `{"id":"m${row}","problem":"<image>","answer":"1","images":["more${row}.png"]}\n`); // prettier-ignore
  writeFileSync(data, lines + more.join(""));
  const stop = new AbortController();
  const stopped = rank(data, {
    signal: stop.signal,
    onProgress: (done) => {
      if (done >= 16) stop.abort();
    },
  });
  await expect(stopped).rejects.toThrow(/abort/iu);
  const { file, numNew } = await rank(data);
  await file[Symbol.asyncDispose]();
  // 3 + 20 pictures, of which the first 16 rows have 3 + 10.
  expect([file.size, numNew]).toEqual([23, 10]);
});

test("folders keep their file by split, and a file that another process writes is refused", async () => {
  const folder = join(await makeData(), "..");
  const ranked = await rank(`${folder}@train`);
  await using file = ranked.file;
  expect(file.path).toMatch(new RegExp(`^${folder}/train\\.[0-9a-f]{16}\\.saliency$`, "u"));
  const path = join(folder, "held.saliency");
  await using held = await lockRunFolder(folder, { file: ".held.saliency.lock", key: "other" });
  expect(held).toBeDefined();
  await expect(rank(folder, { path })).rejects.toThrow(/^--out: .* is held by process/u);
  await expect(rank(folder, { path: join(folder, "none", "a") })).rejects.toThrow(ConfigError);
  mkdirSync(join(folder, "taken"));
  await expect(rank(folder, { path: join(folder, "taken") })).rejects.toThrow("expected a file");
});
