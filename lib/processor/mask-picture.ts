// One picture as the policy sees it in the masked branch, to look at.
import sharp from "sharp";
import { decodeImage } from "../data/image.ts";
import { DataError } from "../errors.ts";
import type { ImageSpec, PatchMask } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import type { ImageSource } from "../types.ts";

export interface MaskedPicture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * A picture with its patch mask: at its own size in raw mode, as resized for the model in patch mode.
 * @throws {DataError} when the picture is unusable
 */
export async function maskPicture(
  source: ImageSource,
  settings: { readonly patchMask: PatchMask; readonly imageSpec: ImageSpec; readonly exifRotate: boolean },
): Promise<MaskedPicture> {
  const file = "path" in source ? source.path : "embedded picture";
  const { rgb, width, height } = await decodeImage(source, { file, row: undefined }, settings);
  const native = loadNative();
  try {
    const image = native.createImage(rgb, height, width, settings.imageSpec);
    const masked = await native.maskedRgb(image, settings.patchMask).finally(() => {
      native.dispose(image);
    });
    const raw = { width: masked.width, height: masked.height, channels: 3 } as const;
    const png = await sharp(masked.rgb, { raw }).png().toBuffer();
    return { png, width: masked.width, height: masked.height };
  } catch (error) {
    if ((error as { code?: unknown }).code !== "E_VALUE") throw error;
    throw new DataError(file, undefined, (error as Error).message, { cause: error });
  }
}
