// Pictures of samples: only files whose bytes are those of a picture are ever sent.
import { readInside, RefusedFileError } from "../run-folders/folder-files.ts";

const maxPictureBytes = 16 * 2 ** 20;

export interface Picture {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
}

/**
 * @param name as isPictureName takes it, relative to samples/
 * @throws {RefusedFileError} for what is no picture, too large or elsewhere
 */
export async function readPicture(folder: string, name: string): Promise<Picture> {
  const bytes = new Uint8Array(await readInside(folder, `samples/${name}`, maxPictureBytes));
  const type = pictureType(bytes);
  if (type === undefined) throw new RefusedFileError(`${name}: not a WebP, PNG or JPEG picture`);
  return { bytes, type };
}

/** By the first bytes. */
function pictureType(bytes: Uint8Array): string | undefined {
  const at = (start: number, expected: string) =>
    Buffer.from(bytes.subarray(start, start + expected.length)).toString("latin1") === expected;
  if (at(0, "RIFF") && at(8, "WEBP")) return "image/webp";
  if (at(0, "\x89PNG\r\n\x1a\n")) return "image/png";
  return at(0, "\xff\xd8\xff") ? "image/jpeg" : undefined;
}
