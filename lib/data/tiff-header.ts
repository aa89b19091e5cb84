// The first directory of a TIFF file, which is also the form of EXIF data in other formats.
import type { ByteSource } from "./byte-source.ts";

/** Size (0 where EXIF data gives none) and orientation, 1 to 8, 1 where absent. */
export interface TiffHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}

const maxEntries = 4096;
const widthTag = 256;
const heightTag = 257;
const orientationTag = 274;

/**
 * Reads the directory of the TIFF structure that starts at `start` of the source.
 * @throws {RangeError} when it is broken or cut off
 */
export async function readTiff(source: ByteSource, start: number): Promise<TiffHeader> {
  const head = await source.read(start, 8);
  const little = head.getUint16(0) === 0x4949;
  if ((!little && head.getUint16(0) !== 0x4d4d) || head.getUint16(2, little) !== 42)
    throw new RangeError("broken TIFF header");
  const directory = start + head.getUint32(4, little);
  const numEntries = (await source.read(directory, 2)).getUint16(0, little);
  if (numEntries > maxEntries) throw new RangeError(`TIFF directory of ${numEntries} entries`);
  const entries = await source.read(directory + 2, numEntries * 12);
  const values = new Map<number, number>();
  for (let entry = 0; entry < numEntries; entry += 1) {
    const at = entry * 12;
    const type = entries.getUint16(at + 2, little);
    if (type === 3) values.set(entries.getUint16(at, little), entries.getUint16(at + 8, little));
    if (type === 4) values.set(entries.getUint16(at, little), entries.getUint32(at + 8, little));
  }
  const orientation = values.get(orientationTag) ?? 1;
  return {
    width: values.get(widthTag) ?? 0,
    height: values.get(heightTag) ?? 0,
    orientation: orientation >= 1 && orientation <= 8 ? orientation : 1,
  };
}
