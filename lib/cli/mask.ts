import { Option, type Command } from "@commander-js/extra-typings";
import { maxImagePixels } from "../data/image-header.ts";
import { ConfigError } from "../errors.ts";
import type { ImageHandle } from "../native/binding.ts";
import type { MaskSettings } from "../processor/mask-picture.ts";
import { integerFrom, maskOptions } from "./option-values.ts";
import { checkOutFile } from "./out-file.ts";
import { pixelOptions, saliencyOptions, sourceOf, type SourceOptions } from "./saliency-options.ts";

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
    .addOption(maskOptions.ratio())
    .addOption(maskOptions.exact())
    .addOption(maskOptions.patchPx())
    .addOption(maskOptions.mode())
    .addOption(maskOptions.fill())
    .option("--seed <integer>", "the run's seed", index, 1)
    .option("--epoch <integer>", "the pass over the data set, from 0", index, 0)
    .option("--id <text>", "the example's id", "")
    .option("--image-index <integer>", "which of the example's pictures, from 0", index, 0)
    .option("--response-index <integer>", "which response, where each has its own mask", index, 0)
    .addOption(pixelOptions.minPixels(area))
    .addOption(pixelOptions.maxPixels(area))
    .option("--exif-rotate", "turn the picture as its EXIF orientation says")
    .addOption(
      new Option("--strategy <name>", "draw cells, or mask the most salient patches (needs --model or --policy)")
        .choices(["random", "saliency"] as const)
        .default("random" as const),
    )
    .addOption(saliencyOptions.model())
    .addOption(saliencyOptions.policy())
    .addOption(saliencyOptions.layers())
    .action(async (image, options, command) => {
      const { writeFileAtomic } = await import("../trainer/durable-file.ts");
      const { maskPicture } = await import("../processor/mask-picture.ts");
      const { defaultImageSpec } = await import("../processor/image-size.ts");
      await checkOptions(options);
      checkStrategy(options.strategy, (name) => command.getOptionValueSource(name) === "cli");
      const saliency = options.strategy === "saliency" ? await saliencyOf(options) : {};
      const { mode, fill, ratio, patchPx, seed, epoch, imageIndex, responseIndex } = options;
      const { png, width, height } = await maskPicture(image, {
        patchMask: {
          ...{ strategy: options.strategy, mode, fill, ratio, patchPx, seed, epoch, imageIndex, responseIndex },
          exact: options.exact === true,
          exampleId: options.id,
        },
        imageSpec: defaultImageSpec({ trainerMinPixels: options.minPixels, trainerMaxPixels: options.maxPixels }),
        exifRotate: options.exifRotate === true,
        ...saliency,
      });
      await writeFileAtomic(options.out, png);
      process.stdout.write(`${options.out}: ${width} x ${height} px\n`);
    });
}

const ofStrategy = {
  random: ["model", "policy", "layers"],
  saliency: ["mode", "patchPx", "exact"],
} as const;

/** @throws {ConfigError} for an option that the strategy has no use for */
function checkStrategy(strategy: keyof typeof ofStrategy, isGiven: (name: string) => boolean): void {
  const useless = ofStrategy[strategy].find(isGiven);
  if (useless === undefined) return;
  const name = `--${useless.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new ConfigError(name, `has no effect with --strategy ${strategy}`);
}

/** How the patches of the one picture are ranked, and how pictures are given to the policy whose tower it is. */
async function saliencyOf(options: SourceOptions): Promise<Pick<MaskSettings, "imageSpec" | "rank">> {
  const { SaliencyModel } = await import("../saliency/saliency-model.ts");
  const source = await sourceOf(options);
  const rank = async (picture: ImageHandle) => {
    const model = await SaliencyModel.open(source, "cpu");
    return await model.rank(picture).finally(() => {
      model[Symbol.dispose]();
    });
  };
  return { imageSpec: source.imageSpec, rank };
}

/** Before any work. @throws {ConfigError} naming the option */
async function checkOptions({ out, minPixels, maxPixels }: { out: string; minPixels: number; maxPixels: number }) {
  if (minPixels > maxPixels)
    throw new ConfigError("--min-pixels", `expected at most --max-pixels (${maxPixels}), got ${minPixels}`);
  await checkOutFile(out);
}
