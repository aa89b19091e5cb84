import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import { registerMask } from "../../lib/cli/mask.ts";
import { describeFailure } from "../../lib/cli/report-error.ts";
import { ConfigError } from "../../lib/errors.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";

function papoMask(...args: readonly string[]) {
  const hooks = join(packageRoot, "test", "support", "ts.mjs");
  return runNode(["--import", hooks, join(packageRoot, "lib", "cli", "main.ts"), "mask", ...args]);
}

async function whitePicture(width: number, height: number): Promise<string> {
  const path = join(tempFolder(), "white.png");
  await sharp({ create: { width, height, channels: 3, background: "white" } })
    .png()
    .toFile(path);
  return path;
}

const pixels = async (path: string) => await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });

test("the PNG has the cells of the run's patch mask black", async () => {
  const image = await whitePicture(30, 45);
  const out = join(tempFolder(), "masked.png");
  const run = papoMask(image, "--out", out, "--ratio", "0.5", "--exact", "--seed", "7", "--id", "train:1");
  expect(run).toMatchObject({ status: 0, stdout: `${out}: 30 x 45 px\n`, stderr: "" });
  const cells = loadNative().patchMaskCells(
    {
      ...({ mode: "raw", fill: "black" } as const),
      ...{
        patchPx: 14,
        ratio: 0.5,
        exact: true,
        seed: 7,
        epoch: 0,
        exampleId: "train:1",
        imageIndex: 0,
        responseIndex: 0,
      },
    },
    4,
    3,
  );
  expect(cells.reduce((sum, cell) => sum + cell, 0)).toBe(6); // floor(0.5 * 12)
  const { data, info } = await pixels(out);
  expect([info.width, info.height]).toEqual([30, 45]);
  for (let pixel = 0; pixel < 30 * 45; pixel++) {
    const cell = Math.floor(Math.floor(pixel / 30) / 14) * 3 + Math.floor((pixel % 30) / 14);
    expect(data[pixel * 3]).toBe(cells[cell] === 1 ? 0 : 255);
  }
});

test("patch mode shows the picture as resized for the model", async () => {
  const image = await whitePicture(100, 100);
  const out = join(tempFolder(), "masked.png");
  // at least 200,704 px: 448 x 448
  expect(papoMask(image, "--out", out, "--mode", "patch", "--ratio", "1", "--min-pixels", "200704").status).toBe(0);
  const { data, info } = await pixels(out);
  expect([info.width, info.height]).toEqual([448, 448]);
  expect(new Set(data)).toEqual(new Set([0]));
});

test("a mask by saliency has the ranking's first patches black", async () => {
  const model = join(packageRoot, "test", "fixtures", "dinov2", "mlp");
  const image = await whitePicture(60, 40);
  const out = join(tempFolder(), "masked.png");
  const words = ["--strategy", "saliency", "--model", model, "--layers", "1,2", "--ratio", "0.4"];
  expect(papoMask(image, "--out", out, ...words)).toMatchObject({
    status: 0,
    stdout: `${out}: 60 x 40 px\n`,
    stderr: "",
  });
  const { data } = await pixels(out);
  // 42 x 63 px: 3 rows of round(4.5) = 4 patches, boxes of 15 x 13 or 14 px; floor(0.4 * 12) of them.
  const isBlack = (row: number, col: number) => data[(Math.floor((row * 40) / 3) * 60 + 15 * col) * 3] === 0;
  const cells = Array.from({ length: 12 }, (_, cell) => isBlack(Math.floor(cell / 4), cell % 4));
  expect(cells.filter(Boolean)).toHaveLength(4);
  for (let pixel = 0; pixel < 60 * 40; pixel++) {
    const [y, x] = [Math.floor(pixel / 60), pixel % 60];
    const row = [0, 1, 2].findLast((candidate) => y >= Math.floor((candidate * 40) / 3)) ?? 0;
    expect(data[pixel * 3]).toBe(cells[row * 4 + Math.floor(x / 15)] === true ? 0 : 255);
  }
});

test("options that the strategy has no use for are refused, as is saliency without a model", async () => {
  const image = await whitePicture(30, 45);
  const out = ["--out", join(tempFolder(), "masked.png")];
  const bySaliency = ["--strategy", "saliency", "--model", "x"];
  for (const [args, message] of [
    [["--model", "x"], "--model: has no effect with --strategy random"],
    [[...bySaliency, "--patch-px", "14"], "--patch-px: has no effect with --strategy saliency"],
    [[...bySaliency, "--mode", "patch"], "--mode: has no effect with --strategy saliency"],
    [["--strategy", "saliency"], "--model: expected whose saliency it is: either --model DINOV2 or --policy DIR"],
    [bySaliency, "x: no such folder, and not a hub id (org/name or org/name@revision)"],
  ] as const)
    expect(describeFailure(await failureOf(image, ...out, ...args))).toEqual({
      text: `papo: ${message}\n`,
      exitCode: 1,
    });
});

test("a wrong option, a missing picture and cells that do not fit are told in one line, and nothing is written", async () => {
  const image = await whitePicture(30, 45);
  const out = join(tempFolder(), "masked.png");
  const ratio = papoMask(image, "--out", out, "--ratio", "1.5");
  expect(ratio.status).toBe(2);
  expect(ratio.stderr).toContain("Expected a number from 0 to 1.");
  const missing = papoMask(join(tempFolder(), "none.png"), "--out", out);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toMatch(/^papo: .*none\.png: picture .*none\.png: cannot be read: ENOENT\n$/u);
  const cells = papoMask(image, "--out", out, "--mode", "patch", "--patch-px", "15");
  expect(cells.status).toBe(1);
  expect(cells.stderr).toContain("patch_px: expected a multiple of the model's patch size 14, got 15");
  expect(existsSync(out)).toBe(false);
});

/** `papo mask` in this process; its error. */
async function failureOf(...args: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride();
  registerMask(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  return await program.parseAsync(["mask", ...args], { from: "user" }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

test("a file that cannot be written and limits that contradict each other are named, and are no bug", async () => {
  const image = await whitePicture(30, 45);
  const folder = tempFolder();
  const out = join(folder, "masked.png");
  for (const [args, message] of [
    [["--out", folder], `--out: expected the name of a file, got the folder ${folder}`],
    [["--out", join(folder, "none", "masked.png")], `--out: there is no folder ${join(folder, "none")}`],
    [["--out", out, "--min-pixels", "7000", "--max-pixels", "6999"], "--min-pixels: expected at most --max-pixels (6999), got 7000"], // prettier-ignore
  ] as const) {
    const failure = await failureOf(image, ...args);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(describeFailure(failure)).toEqual({ text: `papo: ${message}\n`, exitCode: 1 });
  }
  const huge = await failureOf(image, "--out", out, "--mode", "patch", "--min-pixels", "999999999999");
  expect(String(huge)).toContain("Expected an integer from 1 to 89478485.");
  expect(existsSync(out)).toBe(false);
});

test("the picture is freed when it cannot be masked", async () => {
  const dispose = vi.spyOn(loadNative(), "dispose");
  const failure = await failureOf(await whitePicture(30, 45), "--mode", "patch", "--patch-px", "15");
  expect(String(failure)).toContain("patch_px");
  expect(dispose).toHaveBeenCalledOnce();
});
