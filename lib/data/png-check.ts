// What makes Pillow refuse a PNG and libpng not: a wrong checksum before the picture data, or no end.
import { crc32 } from "node:zlib";

const signatureBytes = 8;
/** A chunk's length, type and checksum. */
const chunkOverhead = 12;

/** @throws {Error} naming the chunk that is cut off or broken, or saying that the end is missing */
export function checkPng(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let beforeData = true;
  for (let at = signatureBytes; at + chunkOverhead <= bytes.length;) {
    const length = view.getUint32(at);
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString("latin1");
    const end = at + chunkOverhead + length;
    if (end > bytes.length) throw new Error(`the PNG is cut off in chunk ${JSON.stringify(type)}`);
    if (type === "IDAT") beforeData = false;
    if (beforeData && crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4))
      throw new Error(`the PNG's chunk ${JSON.stringify(type)} has a wrong checksum`);
    if (type === "IEND") return;
    at = end;
  }
  throw new Error("the PNG has no end");
}

/** Whether it is a PNG of 16-bit grey without alpha channel (colour type 0), which Pillow reads as I;16. */
export function isGrey16Png(bytes: Uint8Array): boolean {
  return bytes.length > 25 && bytes[0] === 0x89 && bytes[24] === 16 && bytes[25] === 0;
}
