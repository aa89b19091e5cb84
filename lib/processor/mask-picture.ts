// One picture as the policy sees it in the masked branch, to look at.
import sharp from "sharp";
import { decodeImage } from "../data/image.ts";
import { DataError } from "../errors.ts";
import type { ImageHandle, ImageSpec, PatchMask, SaliencyRanking } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";

export interface MaskedPicture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface MaskSettings {
  readonly patchMask: PatchMask;
  readonly imageSpec: ImageSpec;
  readonly exifRotate: boolean;
  /** Ranks its patches, for a mask by saliency. */
  readonly rank?: (image: ImageHandle) => Promise<SaliencyRanking>;
}

/**
 * A picture with its patch mask: at its own size in raw mode, as resized for the model in patch mode.
 * @throws {DataError} when the picture is unusable
 */
export async function maskPicture(path: string, settings: MaskSettings): Promise<MaskedPicture> {
  const { imageSpec, patchMask, rank } = settings;
  const { rgb, width, height } = await decodeImage({ path }, { file: path, row: undefined }, settings);
  const native = loadNative();
  const withImage = async <T>(saliency: SaliencyRanking | undefined, use: (image: ImageHandle) => Promise<T>) => {
    const image = native.createImage(rgb, height, width, imageSpec, saliency);
    return await use(image).finally(() => {
      native.dispose(image);
    });
  };
  try {
    const saliency = rank && (await withImage(undefined, rank));
    const masked = await withImage(saliency, (image) => native.maskedRgb(image, patchMask));
    const raw = { width: masked.width, height: masked.height, channels: 3 } as const;
    const png = await sharp(masked.rgb, { raw }).png().toBuffer();
    return { png, width: masked.width, height: masked.height };
  } catch (error) {
    if ((error as { code?: unknown }).code !== "E_VALUE") throw error;
    throw new DataError(path, undefined, (error as Error).message, { cause: error });
  }
}
