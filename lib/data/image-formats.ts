// Header layouts of PNG, JPEG, WebP, GIF and BMP: size and orientation only.
import { crc32 } from "node:zlib";
import type { ByteSource } from "./byte-source.ts";
import { readTiff } from "./tiff-header.ts";

export interface ImageHeader {
  readonly format: "png" | "jpeg" | "webp" | "gif" | "tiff" | "bmp";
  /** Stored pixels, before any rotation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1 (upright) to 8; 5 to 8 swap width and height when applied. */
  readonly orientation: number;
}

/** Chunks and segments before the pixels; real files have a few dozen. */
const maxParts = 10_000;
/** Between the segments of a JPEG, all together. */
const maxJunkBytes = 65_536;
const scanBytes = 1024;

/** PNG specification, 5 and 11.2: IHDR first, its CRC right; eXIf before the pixels. */
export async function readPng(source: ByteSource): Promise<ImageHeader> {
  const ihdr = await source.read(8, 25);
  const crc = crc32(new Uint8Array(ihdr.buffer, ihdr.byteOffset + 4, 17));
  if (ihdr.getUint32(0) !== 13 || ihdr.getUint32(4) !== fourCc("IHDR") || ihdr.getUint32(21) !== crc)
    throw new RangeError("broken PNG header");
  const size = { width: ihdr.getUint32(8), height: ihdr.getUint32(12) };
  const orientation = await orientationOf(async () => {
    for await (const { kind, start } of chunks(source, 33, "png")) {
      if (kind === fourCc("IDAT")) return undefined;
      if (kind === fourCc("eXIf")) return start;
    }
    return undefined;
  }, source);
  return { format: "png", ...size, orientation };
}

/** JPEG (T.81, B.2): segments up to the first start of frame; EXIF in APP1. */
export async function readJpeg(source: ByteSource): Promise<ImageHeader> {
  let offset = 2;
  let exif: number | undefined;
  let junkLeft = maxJunkBytes;
  for (let part = 0; part < maxParts; part += 1) {
    const marker = await nextMarker(source, offset, junkLeft);
    junkLeft -= marker.end - 2 - offset;
    offset = marker.end;
    // Restart markers, TEM and a second start of image stand alone.
    if ((marker.code >= 0xd0 && marker.code <= 0xd8) || marker.code === 0x01) continue;
    if (marker.code === 0xd9 || marker.code === 0xda) throw new RangeError("JPEG without a frame before its scan");
    const length = (await source.read(offset, 2)).getUint16(0);
    if (length < 2) throw new RangeError(`JPEG segment of ${length} bytes`);
    if (isStartOfFrame(marker.code)) {
      const frame = await source.read(offset + 3, 4);
      const orientation = await orientationOf(() => Promise.resolve(exif), source);
      return { format: "jpeg", width: frame.getUint16(2), height: frame.getUint16(0), orientation };
    }
    if (marker.code === 0xe1 && exif === undefined && (await isExif(source, offset + 2, length))) exif = offset + 2;
    offset += length;
  }
  throw new RangeError("JPEG with too many segments");
}

/** Start-of-frame codes C0 to CF without DHT (C4), JPG (C8) and DAC (CC). */
const isStartOfFrame = (code: number) =>
  code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;

/** The next marker code from `offset` on and the byte after it; up to `maxJunk` bytes before it are passed over. */
async function nextMarker(source: ByteSource, offset: number, maxJunk: number): Promise<{ code: number; end: number }> {
  // Usually there are none; else they are looked through a piece at a time, its last byte again with the next piece.
  for (let at = offset, length = 2; at <= offset + maxJunk; at += length - 1, length = scanBytes) {
    const piece = await source.read(at, Math.max(2, Math.min(length, source.size - at)));
    for (let index = 0; index + 1 < piece.byteLength; index += 1) {
      const code = piece.getUint8(index + 1);
      if (piece.getUint8(index) === 0xff && code !== 0xff && code !== 0) return { code, end: at + index + 2 };
    }
  }
  throw new RangeError("no JPEG marker where one must be");
}

async function isExif(source: ByteSource, offset: number, length: number): Promise<boolean> {
  if (length < 16) return false;
  const name = await source.read(offset, 6);
  return name.getUint32(0) === fourCc("Exif") && name.getUint16(4) === 0;
}

/** WebP container specification: VP8 (lossy), VP8L (lossless) or VP8X (extended) comes first. */
export async function readWebp(source: ByteSource): Promise<ImageHeader> {
  const kind = (await source.read(12, 4)).getUint32(0);
  const body = await source.read(20, 10);
  const at = (offset: number) => body.getUint8(offset);
  if (kind === fourCc("VP8X")) {
    const size = { width: 1 + uint24(body, 4), height: 1 + uint24(body, 7) };
    return { format: "webp", ...size, orientation: await orientationOf(() => findChunk(source, "EXIF"), source) };
  }
  if (kind === fourCc("VP8L") && at(0) === 0x2f) {
    const bits = body.getUint32(1, true);
    return { format: "webp", width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff), orientation: 1 };
  }
  if (kind === fourCc("VP8 ") && at(3) === 0x9d && at(4) === 0x01 && at(5) === 0x2a) {
    const [width, height] = [body.getUint16(6, true) & 0x3fff, body.getUint16(8, true) & 0x3fff];
    return { format: "webp", width, height, orientation: 1 };
  }
  throw new RangeError("broken WebP header");
}

const uint24 = (view: DataView, at: number) => view.getUint16(at, true) + view.getUint8(at + 2) * 65_536;

async function findChunk(source: ByteSource, name: string): Promise<number | undefined> {
  for await (const { kind, start } of chunks(source, 12, "riff")) if (kind === fourCc(name)) return start;
  return undefined;
}

/** GIF89a, 18: the logical screen is the size of the picture. */
export async function readGif(source: ByteSource): Promise<ImageHeader> {
  const screen = await source.read(6, 4);
  return { format: "gif", width: screen.getUint16(0, true), height: screen.getUint16(2, true), orientation: 1 };
}

/** BMP: 16-bit sizes in the first header version, 32-bit since, the height negative when rows run downwards. */
export async function readBmp(source: ByteSource): Promise<ImageHeader> {
  const head = await source.read(14, 12);
  const headerSize = head.getUint32(0, true);
  if (headerSize === 12)
    return { format: "bmp", width: head.getUint16(4, true), height: head.getUint16(6, true), orientation: 1 };
  if (![40, 52, 56, 64, 108, 124].includes(headerSize)) throw new RangeError(`BMP header of ${headerSize} bytes`);
  return { format: "bmp", width: head.getInt32(4, true), height: Math.abs(head.getInt32(8, true)), orientation: 1 };
}

/** Chunks of a PNG (length, kind, body, CRC) or RIFF (kind, length, body padded to 2) file with their body's offset. */
async function* chunks(
  source: ByteSource,
  from: number,
  layout: "png" | "riff",
): AsyncGenerator<{ kind: number; start: number }> {
  let offset = from;
  for (let part = 0; part < maxParts && offset + 8 <= source.size; part += 1) {
    const head = await source.read(offset, 8);
    const length = layout === "png" ? head.getUint32(0) : head.getUint32(4, true);
    yield { kind: head.getUint32(layout === "png" ? 4 : 0), start: offset + 8 };
    offset += 8 + length + (layout === "png" ? 4 : length % 2);
  }
}

/** The orientation in the EXIF data that `find` locates; upright when there is none or it is broken, as Pillow. */
async function orientationOf(find: () => Promise<number | undefined>, source: ByteSource): Promise<number> {
  try {
    const start = await find();
    if (start === undefined) return 1;
    // JPEG always, WebP and PNG by some writers: the TIFF structure comes after "Exif\0\0".
    const named = (await source.read(start, 4)).getUint32(0) === fourCc("Exif");
    return (await readTiff(source, named ? start + 6 : start)).orientation;
  } catch (error) {
    if (error instanceof RangeError) return 1;
    throw error;
  }
}

const fourCc = (name: string) => Buffer.from(name, "latin1").readUInt32BE(0);
