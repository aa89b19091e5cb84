// A prompt's pictures as samples keep them: small, beside the masked views that the perception loss saw.
import sharp from "sharp";
import type { MaskedView, PatchMask } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import type { Prompt } from "../types.ts";
import type { LoggedPicture } from "./tensorboard.ts";

export interface SampledPicture {
  /** WebP, at most 448 px wide and high. */
  readonly plain: Uint8Array;
  /** Likewise: one for the group, or one a response where each has a mask of its own; none without a masked branch. */
  readonly masked: readonly Uint8Array[];
}

const maxSide = 448;
/** Up to here every pixel counts, and costs little. */
const maxLosslessSide = 128;
const noMask = { mode: "raw", patchPx: 14, ratio: 0, exact: true, fill: "black", seed: 0 } as const;

/** @param masked the masked branch; absent: there is none */
export async function sampledPictures(
  { example, epoch, images }: Prompt,
  masked?: { readonly view: MaskedView; readonly numResponses: number },
): Promise<SampledPicture[]> {
  const native = loadNative();
  const pictures: SampledPicture[] = [];
  for (const [imageIndex, image] of images.entries()) {
    const small = async (mask: Omit<PatchMask, "epoch" | "exampleId" | "imageIndex">): Promise<Uint8Array> => {
      const { rgb, width, height } = await native.maskedRgb(image, {
        ...mask,
        ...{ epoch, exampleId: example.id, imageIndex },
      });
      return await encode(rgb, width, height);
    };
    const plain = await small({ ...noMask, responseIndex: 0 });
    const views: Uint8Array[] = [];
    if (masked) {
      const { perResponse, ...mask } = masked.view;
      for (let responseIndex = 0; responseIndex < (perResponse ? masked.numResponses : 1); responseIndex += 1)
        views.push(await small({ ...mask, responseIndex }));
    }
    pictures.push({ plain, masked: views });
  }
  return pictures;
}

/** The picture and, where there is one, its first masked view on its right. */
export async function sideBySide({ plain, masked }: SampledPicture): Promise<LoggedPicture> {
  let width = 0;
  let height = 0;
  const layers: { input: Buffer; left: number; top: 0 }[] = [];
  for (const view of [plain, ...masked.slice(0, 1)]) {
    const { data, info } = await sharp(view).png().toBuffer({ resolveWithObject: true });
    layers.push({ input: data, left: width, top: 0 });
    width += info.width;
    height = Math.max(height, info.height);
  }
  const canvas = { width, height, channels: 3, background: "black" } as const;
  return { png: await sharp({ create: canvas }).composite(layers).removeAlpha().png().toBuffer(), width, height };
}

async function encode(rgb: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const lossless = Math.max(width, height) <= maxLosslessSide;
  return await sharp(rgb, { raw: { width, height, channels: 3 } })
    .resize({ width: maxSide, height: maxSide, fit: "inside", withoutEnlargement: true })
    .webp(lossless ? { lossless, effort: 0 } : { quality: 80, effort: 1 })
    .toBuffer();
}
