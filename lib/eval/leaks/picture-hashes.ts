import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { decodeImage } from "../../data/image.ts";
import type { Example, ImageSource } from "../../types.ts";

/** Two ways to recognise a picture. */
export interface PictureHashes {
  /** Of the encoded bytes. */
  readonly file: string;
  /** Of size and RGB pixels: the same for another encoding of the same picture. */
  readonly pixels: string;
}

/** @throws {DataError} at the row for a picture that cannot be read */
export async function pictureHashes(source: ImageSource, row: Example): Promise<PictureHashes> {
  const { rgb, width, height } = await decodeImage(source, row);
  const bytes = "path" in source ? await readFile(source.path) : source.bytes;
  const pixels = createHash("sha256").update(`${width}x${height}\n`).update(rgb);
  return { file: createHash("sha256").update(bytes).digest("hex"), pixels: pixels.digest("hex") };
}
