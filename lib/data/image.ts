// Encoded pictures to RGB bytes, equal to Pillow's Image.open(...).convert("RGB") or a DataError. sharp decodes; what
// it would do differently is done here: the mode rules, GIF transparency, and refusing broken PNG that it forgives.
// Differs: JPEG with damaged data is refused where Pillow passes some; BMP, PPM, TGA and others are not read, nor some
// kinds of TIFF (tiff-check.ts).
import { readFile, stat } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import { DataError } from "../errors.ts";
import { loadNative } from "../native/load.ts";
import type { RgbPicture } from "../native/binding.ts";
import type { ImageSource } from "../types.ts";
import { opaqueFirstFrame } from "./gif-first-frame.ts";
import { maxImagePixels, maxPictureBytes, readImageHeader } from "./image-header.ts";
import type { ImageHeader } from "./image-header.ts";
import { checkPng, isGrey16Png } from "./png-check.ts";
import { checkTiff } from "./tiff-check.ts";

// Pictures are decoded one a call, several calls at a time; libvips' own threads and cache would only compete.
sharp.concurrency(1);
sharp.cache(false);

const decodeSeconds = 60;

export interface DecodeOptions {
  /** Turn the picture as its EXIF orientation says. The published system does not, but Pillow always turns a TIFF. */
  readonly exifRotate?: boolean;
}

/**
 * The RGB bytes of a picture; of an animation or a stack of pages, of the first. Alpha is dropped, not composited.
 * @param where the row that names the picture, for the error
 * @throws {DataError} at `where` when it is missing, broken, too large (maxImagePixels, 256 MiB) or of another format
 */
export async function decodeImage(
  source: ImageSource,
  where: { readonly file: string; readonly row: number | undefined },
  options: DecodeOptions = {},
): Promise<RgbPicture> {
  try {
    const bytes = await encodedBytes(source);
    const { format } = await readImageHeader(source, where);
    return await decodeFormat(bytes, format, options);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const name = "path" in source ? `picture ${source.path}` : "embedded picture";
    throw new DataError(where.file, where.row, `${name}: ${oneLine((error as Error).message)}`, { cause: error });
  }
}

/**
 * A picture as it is stored.
 * @throws {Error} when it is missing or over {@link maxPictureBytes}
 */
export async function encodedBytes(source: ImageSource): Promise<Uint8Array> {
  return "path" in source ? await readPicture(source.path) : withinLimit(source.bytes, source.bytes.length);
}

async function decodeFormat(
  bytes: Uint8Array,
  format: ImageHeader["format"],
  options: DecodeOptions,
): Promise<RgbPicture> {
  if (format === "bmp") throw new Error("expected a PNG, JPEG, WebP, GIF or TIFF picture, got BMP");
  if (format === "png") checkPng(bytes);
  if (format === "tiff") {
    await checkTiff(bytes);
    return await decodeWith(bytes, { exifRotate: true }, "error");
  }
  if (format !== "jpeg") return await decodeWith(format === "gif" ? opaqueFirstFrame(bytes) : bytes, options, "error");
  try {
    return await decodeWith(bytes, options, "warning");
  } catch (error) {
    // Warnings about anything but the picture's data (odd EXIF, an ICC profile, the JFIF version) are harmless.
    if (/corrupt|invalid|premature|inconsistent/i.test((error as Error).message)) throw error;
    return await decodeWith(bytes, options, "error");
  }
}

async function decodeWith(bytes: Uint8Array, options: DecodeOptions, failOn: "error" | "warning"): Promise<RgbPicture> {
  const image = sharp(bytes, { ignoreIcc: true, failOn, limitInputPixels: maxImagePixels });
  const { space, depth, channels } = await image.metadata();
  if (depth !== "uchar" && depth !== "ushort") throw new Error(`expected 8 or 16 bits a channel, got ${depth}`);
  if (options.exifRotate) image.autoOrient();
  image.timeout({ seconds: decodeSeconds });
  // An LA picture of 16 bits becomes RGBA in Pillow, which keeps the high bytes; plain grey is clipped.
  if (space === "cmyk" && depth === "uchar") return await decodeCmyk(image);
  if (space === "grey16" && (channels === 1 || isGrey16Png(bytes))) return await decodeGrey16(image);
  if (!["srgb", "rgb16", "b-w", "grey16"].includes(space))
    throw new Error(`expected an RGB or grey picture, got ${space}`);
  const { data, info } = await image
    .toColourspace("srgb")
    .removeAlpha()
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return toPicture(data, info);
}

async function decodeCmyk(image: Sharp): Promise<RgbPicture> {
  const { data, info } = await image
    .pipelineColourspace("cmyk")
    .toColourspace("cmyk")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`expected four CMYK channels, got ${info.channels}`);
  return toPicture(loadNative().cmykToRgb(data), info);
}

async function decodeGrey16(image: Sharp): Promise<RgbPicture> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace("grey16")
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  const aligned = data.byteOffset % 2 === 0 ? data : Buffer.from(data);
  const grey = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  return toPicture(loadNative().grey16ToRgb(grey), info);
}

function toPicture(rgb: Uint8Array, info: { readonly width: number; readonly height: number }): RgbPicture {
  if (rgb.length !== info.width * info.height * 3)
    throw new Error(`expected ${info.width * info.height * 3} decoded bytes, got ${rgb.length}`);
  return { rgb: new Uint8Array(rgb.buffer, rgb.byteOffset, rgb.length), width: info.width, height: info.height };
}

async function readPicture(path: string): Promise<Uint8Array> {
  const unreadable = (error: unknown): never => {
    throw new Error(`cannot be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  };
  const status = await stat(path).catch(unreadable);
  // Reading a pipe or a device would not end.
  if (!status.isFile()) throw new Error("expected a file");
  withinLimit(path, status.size);
  return await readFile(path).catch(unreadable);
}

function withinLimit<T>(picture: T, numBytes: number): T {
  if (numBytes > maxPictureBytes) throw new Error(`expected at most ${maxPictureBytes} bytes, got ${numBytes}`);
  return picture;
}

function oneLine(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}
