import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { readModelConfig } from "../../lib/policy/model-config.ts";
import { dataFolder, folderRows } from "../support/data.ts";

const tiny = await readModelConfig(join(packageRoot, "lib", "policy", "fixture"));
/** Qwen2.5-VL's token ids. */
const config = {
  ...tiny,
  imageTokenId: 151655,
  videoTokenId: 151656,
  visionStartTokenId: 151652,
  visionEndTokenId: 151653,
};

interface MropeRow {
  readonly input_ids: readonly number[];
  readonly attention_mask: readonly number[];
  readonly image_grid_thw: readonly (readonly number[])[];
  readonly position_ids: readonly (readonly number[])[];
}

const folder = dataFolder("algos");
const rows = folder ? folderRows(folder).filter(({ row }) => row.kind === "mrope") : [];

describe.skipIf(rows.length === 0)("published positions", () => {
  test.each(rows.map(({ file, row }, index) => [`${file} ${index}`, row as unknown as MropeRow] as const))(
    "%s: equal outside the padding",
    (_, row) => {
      const real = (_: number, index: number) => row.attention_mask[index] === 1;
      const ids = Int32Array.from(row.input_ids.filter(real));
      const ours = loadNative().ropePositions(config, { ids, imageGridThw: row.image_grid_thw });
      expect([...ours]).toEqual(row.position_ids.flatMap((axis) => axis.filter(real)));
    },
  );
});

const image = (count: number) => new Array<number>(count).fill(config.imageTokenId);

function positions(ids: readonly number[], imageGridThw: readonly (readonly number[])[]): Int32Array {
  return loadNative().ropePositions(config, { ids: Int32Array.from(ids), imageGridThw });
}

test("worked out: one token, a picture of 1 x 2 merged cells, one token", () => {
  // Grid [1, 2, 4]: one row, two columns at offset 1; the text goes on at 1 + max(1, 0) + 1 = 3.
  expect([...positions([5, ...image(2), 6], [[1, 2, 4]])]).toEqual([0, 1, 1, 3, 0, 1, 1, 3, 0, 1, 2, 3]);
});

test("two pictures without text between them are told apart by their grids", () => {
  // One cell at offset 0, then two columns at offset 1; the last axis is the column.
  const grids = [
    [1, 2, 2],
    [1, 2, 4],
  ];
  expect([...positions(image(3), grids).slice(6)]).toEqual([0, 1, 2]);
});

test.each([
  [
    "fewer image tokens than the grid",
    [1, ...image(1)],
    [[1, 2, 4]],
    "fewer image tokens than a picture's grid needs (2)",
  ],
  ["more image tokens than the grid", [1, ...image(3)], [[1, 2, 4]], "more image tokens than the pictures' grids give"],
  ["image tokens without a picture", image(1), [], "more image tokens than the pictures' grids give"],
  ["a picture without image tokens", [1, 2], [[1, 2, 4]], "the prompt has tokens for 0 of 1 pictures"],
])("%s are E_SHAPE", (_, ids, grids, text) => {
  expect(() => positions(ids, grids)).toThrow(text);
});

describe("a video", () => {
  const ids = Int32Array.from([5, ...new Array<number>(4).fill(config.videoTokenId), 6]);
  // Grid [2, 2, 4]: two frames of one row and two columns at offset 1. Worked out by transformers 5.17's rule.
  const at = (secondsPerGrid?: number) =>
    loadNative().ropePositions(config, {
      ids,
      imageGridThw: [],
      videoGridThw: [[2, 2, 4]],
      ...(secondsPerGrid === undefined ? {} : { secondsPerGrid: [secondsPerGrid] }),
    });

  test.each([
    [0.5, 0], // whole seconds only
    [1, 4],
    [undefined, 4],
    [2.9, 8],
  ])("of %d seconds a grid has frames %i apart; text goes on behind its columns", (seconds, interval) => {
    const time = [0, 1, 1, 1 + interval, 1 + interval, 3];
    expect([...at(seconds)]).toEqual([...time, 0, 1, 1, 1, 1, 3, 0, 1, 2, 1, 2, 3]);
  });

  test("and a picture are told apart by their tokens", () => {
    const mixed = Int32Array.from([config.videoTokenId, config.imageTokenId, config.imageTokenId]);
    const both = { ids: mixed, imageGridThw: [[1, 2, 4]], videoGridThw: [[1, 2, 2]] };
    expect([...loadNative().ropePositions(config, both)]).toEqual([0, 1, 1, 0, 1, 1, 0, 1, 2]);
  });

  test("without its tokens, or with seconds for another number of videos, is refused", () => {
    const grids = { imageGridThw: [], videoGridThw: [[1, 2, 2]] };
    const call = (more: object) => () =>
      loadNative().ropePositions(config, { ids: Int32Array.of(1), ...grids, ...more });
    expect(call({})).toThrow("the prompt has tokens for 0 of 1 videos");
    expect(call({ secondsPerGrid: [1, 2] })).toThrow("secondsPerGrid: expected one number a video");
  });
});
