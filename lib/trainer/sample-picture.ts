// A picture as the policy saw it, beside its masked view where it has one, in one PNG to look at.
import sharp from "sharp";
import { maskedView } from "../algorithm/augment.ts";
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { ImageSpec } from "../native/binding.ts";
import { maskPicture } from "../processor/mask-picture.ts";
import type { Prompt } from "../types.ts";
import type { LoggedPicture } from "./tensorboard.ts";

/** Longest side of each view, pixels. */
const maxSide = 320;

/**
 * The prompt's first picture; the masked view beside it is the run's, of the first response where each has its own.
 * @throws {DataError} when the picture is no longer there
 */
export async function samplePicture(
  { example, epoch }: Pick<Prompt, "example" | "epoch">,
  config: Pick<RunConfig, "algorithm" | "aug" | "seed" | "data">,
  imageSpec: ImageSpec,
): Promise<LoggedPicture> {
  const [source] = example.images;
  if (!source) throw new RangeError("[samplePicture] expected an example with a picture");
  const place = { epoch, exampleId: example.id, imageIndex: 0, responseIndex: 0 };
  const view = maskedView(config);
  const { exifRotate } = config.data;
  const see = async (ratio: number) => {
    const patchMask = { ...view, ...place, ratio };
    const { png } = await maskPicture(source, { patchMask, imageSpec, exifRotate });
    return await sharp(png).resize(maxSide, maxSide, { fit: "inside", withoutEnlargement: true }).png().toBuffer();
  };
  const views = [await see(0), ...(needsAugLogProbs(config.algorithm) ? [await see(view.ratio)] : [])];
  const { width, height } = await sharp(views[0]).metadata();
  const canvas = { width: views.length * width, height, channels: 3 as const, background: "black" };
  const layers = views.map((input, index) => ({ input, left: index * width, top: 0 }));
  const png = await sharp({ create: canvas }).composite(layers).png().toBuffer();
  return { png, width: canvas.width, height };
}
