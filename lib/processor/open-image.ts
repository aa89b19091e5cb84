// Encoded pictures to native ones; what is wrong with a picture is its row's fault.
import { decodeImage } from "../data/image.ts";
import { DataError, NativeError } from "../errors.ts";
import type { ImageHandle, ImageSpec, SaliencyRanking } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import type { ImageSource } from "../types.ts";

/** Where a picture is named. */
export interface PicturePlace {
  readonly file: string;
  readonly row: number | undefined;
}

export interface OpenImageOptions {
  readonly imageSpec: ImageSpec;
  readonly exifRotate: boolean;
  readonly saliency?: SaliencyRanking;
}

/**
 * The caller disposes of it.
 * @throws {DataError} at `where` when the picture is unusable
 */
export async function openImage(
  source: ImageSource,
  where: PicturePlace,
  { imageSpec, exifRotate, saliency }: OpenImageOptions,
): Promise<ImageHandle> {
  const { rgb, height, width } = await decodeImage(source, where, { exifRotate });
  return atRow(where, () => loadNative().createImage(rgb, height, width, imageSpec, saliency));
}

/** A picture that no resize fits (an aspect ratio over 200) is the row's fault. */
export function atRow<T>(where: PicturePlace, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if ((error as { code?: unknown }).code === "E_VALUE" || error instanceof NativeError)
      throw new DataError(where.file, where.row, (error as Error).message, { cause: error });
    throw error;
  }
}
