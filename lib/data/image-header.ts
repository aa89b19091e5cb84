// Sizes of pictures from their headers, without decoding: what the over-long-prompt filter counts image tokens by.
// The formats' header layouts are in image-formats.ts and tiff-header.ts.
import { DataError } from "../errors.ts";
import type { ImageSource } from "../types.ts";
import { memorySource, withFileSource } from "./byte-source.ts";
import type { ByteSource } from "./byte-source.ts";
import { readBmp, readGif, readJpeg, readPng, readWebp } from "./image-formats.ts";
import type { ImageHeader } from "./image-formats.ts";
import { readTiff } from "./tiff-header.ts";
import type { TiffHeader } from "./tiff-header.ts";

export type { ImageHeader } from "./image-formats.ts";

/** The largest encoded picture that is read. */
export const maxPictureBytes = 256 * 2 ** 20;

/** A picture of more pixels is refused before it is decoded: where Pillow starts to warn; 268 MB of RGB. */
export const maxImagePixels = 89_478_485;

/**
 * Format, size and orientation of a picture. The size is that of the stored pixels, before any rotation by
 * `orientation`; a TIFF's is after it, which Pillow applies to TIFF alone. Both as Pillow's `Image.size`.
 * @param source a PNG, JPEG, WebP, GIF, TIFF or BMP picture
 * @param place where it is named, for the error
 * @throws {DataError} when it cannot be opened, is of no known format, its header is broken or cut off, it has no
 * pixels or more than {@link maxImagePixels}, or more bytes than {@link maxPictureBytes}
 */
export async function readImageHeader(
  source: ImageSource,
  place: { readonly file: string; readonly row: number | undefined },
): Promise<ImageHeader> {
  const name = "path" in source ? `picture ${source.path}` : "embedded picture";
  try {
    const header = await ("path" in source
      ? withFileSource(source.path, readHeader)
      : readHeader(memorySource(source.bytes)));
    const { width, height } = header;
    if (width < 1 || height < 1) throw new RangeError(`expected a size of 1 x 1 or more, got ${width} x ${height}`);
    if (width * height > maxImagePixels)
      throw new RangeError(`expected at most ${maxImagePixels} pixels, got ${width} x ${height}`);
    return header;
  } catch (error) {
    throw new DataError(place.file, place.row, `${name}: ${(error as Error).message}`, { cause: error });
  }
}

async function readHeader(source: ByteSource): Promise<ImageHeader> {
  if (source.size > maxPictureBytes)
    throw new RangeError(`expected at most ${maxPictureBytes} bytes, got ${source.size}`);
  const start = await source.read(0, Math.min(12, source.size));
  const magic = String.fromCharCode(...new Uint8Array(start.buffer, start.byteOffset, start.byteLength));
  if (magic.startsWith("\x89PNG\r\n\x1a\n")) return await readPng(source);
  if (magic.startsWith("\xff\xd8\xff")) return await readJpeg(source);
  if (/^RIFF[^]{4}WEBP/.test(magic)) return await readWebp(source);
  if (/^GIF8[79]a/.test(magic)) return await readGif(source);
  if (/^(II\*\0|MM\0\*)/.test(magic)) return { format: "tiff", ...upright(await readTiff(source, 0)) };
  if (magic.startsWith("BM")) return await readBmp(source);
  throw new RangeError("not a PNG, JPEG, WebP, GIF, TIFF or BMP picture");
}

const upright = ({ width, height, orientation }: TiffHeader): TiffHeader =>
  orientation >= 5 ? { width: height, height: width, orientation: 1 } : { width, height, orientation: 1 };
