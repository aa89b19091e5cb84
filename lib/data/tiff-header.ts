// The first directory of a TIFF file, which is also the form of EXIF data in other formats.
import type { ByteSource } from "./byte-source.ts";

/** Size (0 where EXIF data gives none) and orientation, 1 to 8, 1 where absent. */
export interface TiffHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}

const maxEntries = 4096;
/** Of one tag: a colour map of 16 bits. */
const maxValues = 3 * 65_536;
const widthTag = 256;
const heightTag = 257;
const orientationTag = 274;

/**
 * Size and orientation of the TIFF structure that starts at `start` of the source.
 * @throws {RangeError} when it is broken or cut off
 */
export async function readTiff(source: ByteSource, start: number): Promise<TiffHeader> {
  const tags = await readTiffTags(source, start);
  const orientation = tags.get(orientationTag)?.[0] ?? 1;
  return {
    width: tags.get(widthTag)?.[0] ?? 0,
    height: tags.get(heightTag)?.[0] ?? 0,
    orientation: orientation >= 1 && orientation <= 8 ? orientation : 1,
  };
}

/**
 * The tags of the first directory whose values are 16- or 32-bit integers.
 * @param arrays tags of which several values are wanted; of the others the first that lies in the directory
 * @throws {RangeError} when it is broken or cut off
 */
export async function readTiffTags(
  source: ByteSource,
  start: number,
  arrays: readonly number[] = [],
): Promise<Map<number, number[]>> {
  const head = await source.read(start, 8);
  const little = head.getUint16(0) === 0x4949;
  if ((!little && head.getUint16(0) !== 0x4d4d) || head.getUint16(2, little) !== 42)
    throw new RangeError("broken TIFF header");
  const directory = start + head.getUint32(4, little);
  const numEntries = (await source.read(directory, 2)).getUint16(0, little);
  if (numEntries > maxEntries) throw new RangeError(`TIFF directory of ${numEntries} entries`);
  const entries = await source.read(directory + 2, numEntries * 12);
  const tags = new Map<number, number[]>();
  for (let at = 0; at < numEntries * 12; at += 12) {
    const [tag, type, numValues] = [entries.getUint16(at, little), entries.getUint16(at + 2, little), entries.getUint32(at + 4, little)]; // prettier-ignore
    const width = type === 3 ? 2 : 4;
    if (type !== 3 && type !== 4) continue;
    const count = arrays.includes(tag) ? Math.min(numValues, maxValues) : 1;
    const isInside = count * width <= 4;
    const values = isInside ? entries : await source.read(start + entries.getUint32(at + 8, little), count * width);
    const value = (index: number) => (isInside ? at + 8 : 0) + index * width;
    tags.set(tag, Array.from({ length: count }, (_, index) => type === 3 ? values.getUint16(value(index), little) : values.getUint32(value(index), little))); // prettier-ignore
  }
  return tags;
}
