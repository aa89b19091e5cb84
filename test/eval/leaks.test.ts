import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { findLeaks } from "../../lib/eval/leaks/leaks.ts";
import { jsonLines, tempFolder } from "../data/temp.ts";
import { questionPictures, questionSets } from "../support/data.ts";

/** A 9 x 7 picture of its own for each seed. */
async function picture(seed: number, compressionLevel = 6): Promise<Buffer> {
  const bytes = Uint8Array.from({ length: 9 * 7 * 3 }, (_, at) => (at * 31 + seed * 57) % 256);
  return await sharp(bytes, { raw: { width: 9, height: 7, channels: 3 } })
    .png({ compressionLevel })
    .toBuffer();
}

const row = (id: string, ...images: string[]) => ({ id, problem: `${"<image>".repeat(images.length)}?`, answer: "1", images }); // prettier-ignore

test("equal files and equal pixels are found, other pictures are not", async () => {
  const recoded = await picture(2, 0);
  expect(recoded.equals(await picture(2))).toBe(false);
  const folder = tempFolder({
    ...{ "train.jsonl": jsonLines([row("t1", "1.png"), row("t2", "2.png", "3.png"), row("t3", "1.png")]) },
    ...{ "eval.jsonl": jsonLines([row("e1", "one.png"), row("e2", "new.png", "two.png"), row("e3", "new.png"), row("e4", "bad.png")]) }, // prettier-ignore
    ...{ "1.png": await picture(1), "2.png": await picture(2), "3.png": await picture(3) },
    ...{ "one.png": await picture(1), "two.png": recoded, "new.png": await picture(4), "bad.png": "no picture" },
  });
  const rows = async (name: string) => ({ name, dataset: await openDataset(`${folder}/${name}.jsonl`) });
  const seen: number[] = [];
  const onProgress = (done: number, total: number) => {
    expect(total).toBe(7);
    seen.push(done);
  };
  const [report] = await findLeaks([await rows("train")], [await rows("eval")], { onProgress });
  expect(report).toEqual({
    ...{ name: "eval", numRows: 4, numPictures: 5, numUnreadable: 1, numSharedRows: 2 },
    shared: [
      { id: "e1", picture: 0, train: "train", trainId: "t1", by: "file" },
      { id: "e2", picture: 1, train: "train", trainId: "t2", by: "pixels" },
    ],
  });
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test("of a real set, the splits share the files that hashing them one by one finds", async () => {
  for (const { file, rows } of questionSets().filter(({ name }) => name === "geometry3k")) {
    const hashes = (split: string) =>
      rows
        .filter((one) => one["split"] === split)
        .flatMap((one) => questionPictures(file, one))
        .map((path) =>
          createHash("sha256")
            .update(readFileSync(join(path)))
            .digest("hex"),
        );
    const trained = new Set(hashes("train"));
    const named = async (split: string) => ({ name: split, dataset: await openDataset(`${file}@${split}`) });
    const [report] = await findLeaks([await named("train")], [await named("val")]);
    const byFile = report?.shared.filter(({ by }) => by === "file") ?? [];
    expect(byFile).toHaveLength(hashes("val").filter((hash) => trained.has(hash)).length);
    expect(byFile.length).toBeGreaterThan(0);
  }
});
