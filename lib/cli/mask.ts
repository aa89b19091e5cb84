import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Option } from "@commander-js/extra-typings";
import type { Command } from "@commander-js/extra-typings";
import { maxImagePixels } from "../data/image-header.ts";
import { ConfigError } from "../errors.ts";
import { integerFrom, numberIn } from "./option-values.ts";

/** What a picture is enlarged to stays what one may have. */
const area = integerFrom(1, maxImagePixels);
const index = integerFrom(0);

/** `papo mask IMAGE`: the picture as the masked branch of the perception loss sees it. */
export function registerMask(program: Command): void {
  program
    .command("mask")
    .description("write a picture with its patch mask as PNG")
    .argument("<image>", "a PNG, JPEG, WebP, GIF or TIFF picture")
    .option("--out <file>", "the PNG to write (default: masked.png)", "masked.png")
    .option("--ratio <number>", "share of cells that are masked", numberIn(0, 1), 0.6)
    .option("--exact", "mask exactly floor(ratio x cells), in place of each cell with that chance")
    .option("--patch-px <pixels>", "side of a cell", integerFrom(1, 65_536), 14)
    .addOption(
      new Option("--mode <mode>", "cells on the decoded picture, or on the model's patches")
        .choices(["raw", "patch"] as const)
        .default("raw" as const),
    )
    .addOption(
      new Option("--fill <fill>", "what masked cells become")
        .choices(["black", "mean", "noise"] as const)
        .default("black" as const),
    )
    .option("--seed <integer>", "the run's seed", index, 1)
    .option("--epoch <integer>", "the pass over the data set, from 0", index, 0)
    .option("--id <text>", "the example's id", "")
    .option("--image-index <integer>", "which of the example's pictures, from 0", index, 0)
    .option("--response-index <integer>", "which response, where each has its own mask", index, 0)
    .option("--min-pixels <pixels>", "enlarge smaller pictures first (patch mode)", area, 262_144)
    .option("--max-pixels <pixels>", "reduce larger pictures first (patch mode)", area, 4_194_304)
    .option("--exif-rotate", "turn the picture as its EXIF orientation says")
    .action(async (image, options) => {
      const [{ writeFileAtomic }, { maskPicture }, { defaultImageSpec }] = await Promise.all([
        import("../trainer/durable-file.ts"),
        import("../processor/mask-picture.ts"),
        import("../processor/image-size.ts"),
      ]);
      await checkOptions(options);
      const { mode, fill, ratio, patchPx, seed, epoch, imageIndex, responseIndex } = options;
      const { png, width, height } = await maskPicture(
        { path: image },
        {
          patchMask: {
            ...{ mode, fill, ratio, patchPx, seed, epoch, imageIndex, responseIndex },
            exact: options.exact === true,
            exampleId: options.id,
          },
          imageSpec: defaultImageSpec({ trainerMinPixels: options.minPixels, trainerMaxPixels: options.maxPixels }),
          exifRotate: options.exifRotate === true,
        },
      );
      await writeFileAtomic(options.out, png);
      process.stdout.write(`${options.out}: ${width} x ${height} px\n`);
    });
}

/** Before any work. @throws {ConfigError} naming the option */
async function checkOptions({ out, minPixels, maxPixels }: { out: string; minPixels: number; maxPixels: number }) {
  if (minPixels > maxPixels)
    throw new ConfigError("--min-pixels", `expected at most --max-pixels (${maxPixels}), got ${minPixels}`);
  const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (await isFolder(out)) throw new ConfigError("--out", `expected the name of a file, got the folder ${out}`);
  if (!(await isFolder(dirname(out)))) throw new ConfigError("--out", `there is no folder ${dirname(out)}`);
}
