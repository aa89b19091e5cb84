// Pictures of a prompt beside their masked versions, as data URLs.
import sharp from "sharp";
import { decodeImage } from "../../data/image.ts";
import type { ImageHandle, MaskedView, PatchMask, RgbPicture } from "../../native/binding.ts";
import { callNative } from "../../native/call.ts";
import { loadNative } from "../../native/load.ts";
import type { Prompt } from "../../types.ts";
import type { EmbeddedPicture, MapPicture } from "./kl-map.ts";

/** Longest side that is shown, pixels. */
const maxShownSide = 1024;

/**
 * The prompt's pictures: at their own size in raw mode, in patch mode as resized for the model; larger ones reduced.
 * @param mergeSize patches of an image token's side
 * @throws {NativeError} E_VALUE for a patch mask that does not fit the model
 */
export async function embedPictures(prompt: Prompt, view: MaskedView, mergeSize: number): Promise<MapPicture[]> {
  const pictures: MapPicture[] = [];
  for (const [imageIndex, image] of prompt.images.entries()) {
    const patchMask: PatchMask = { ...view, epoch: prompt.epoch, exampleId: prompt.example.id, imageIndex, responseIndex: 0 }; // prettier-ignore
    const masked = await callNative({}, () => loadNative().maskedRgb(image, patchMask));
    const plain = view.mode === "raw" ? await decoded(prompt, imageIndex) : await resized(image);
    const [, rows = 0, columns = 0] = prompt.imageGridThw[imageIndex] ?? [];
    pictures.push({
      ...{ plain: await embed(plain), masked: await embed(masked) },
      ...{ rows: rows / mergeSize, columns: columns / mergeSize },
    });
  }
  return pictures;
}

async function decoded({ example }: Prompt, index: number): Promise<RgbPicture> {
  const source = example.images[index];
  if (source === undefined) throw new RangeError(`[embedPictures] no picture ${index}`);
  return await decodeImage(source, example);
}

async function resized(image: ImageHandle): Promise<RgbPicture> {
  const native = loadNative();
  const { resizedHeight: height, resizedWidth: width } = native.imageInfo(image);
  return { rgb: await callNative({}, () => native.resizedRgb(image)), height, width };
}

async function embed({ rgb, width, height }: RgbPicture): Promise<EmbeddedPicture> {
  const limits = { width: maxShownSide, height: maxShownSide, fit: "inside", withoutEnlargement: true } as const;
  const picture = sharp(rgb, { raw: { width, height, channels: 3 } }).resize(limits);
  const { data, info } = await picture.png({ compressionLevel: 9 }).toBuffer({ resolveWithObject: true });
  return { dataUrl: `data:image/png;base64,${data.toString("base64")}`, width: info.width, height: info.height };
}
