// A row as the body of a chat completion: its question with pictures as data URLs.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { decodeImage } from "../../data/image.ts";
import { readImageHeader } from "../../data/image-header.ts";
import { DataError } from "../../errors.ts";
import { splitAtImages } from "../../processor/template.ts";
import type { Example, ImageSource } from "../../types.ts";
import type { EvaluationSettings } from "../benchmarks/settings.ts";

/** Formats that servers read; others are sent as PNG. */
const webFormats: readonly string[] = ["png", "jpeg", "webp", "gif"];

/** @throws {DataError} for a picture that cannot be read, or marks that are not one a picture */
export async function chatMessages(example: Example, settings: EvaluationSettings): Promise<readonly unknown[]> {
  const content = splitAtImages(example.problem);
  const numMarks = typeof content === "string" ? 0 : content.filter(({ type }) => type === "image").length;
  if (numMarks !== example.images.length)
    throw new DataError(example.file, example.row, `expected one <image> mark a picture, got ${numMarks} for ${example.images.length} pictures`); // prettier-ignore
  const urls = await Promise.all(example.images.map((source) => dataUrl(source, example, settings)));
  let picture = 0;
  const parts =
    typeof content === "string"
      ? content
      : content.map((part) =>
          part.type === "image" ? { type: "image_url", image_url: { url: urls[picture++] } } : part,
        );
  const system = settings.system === null ? [] : [{ role: "system", content: settings.system }];
  return [...system, { role: "user", content: parts }];
}

/** The picture as it is where servers read its format and its size is within the limits, else resized and as PNG. */
async function dataUrl(source: ImageSource, row: Example, settings: EvaluationSettings): Promise<string> {
  const { format, width, height } = await readImageHeader(source, row);
  const scale = scaleFor(width * height, settings);
  if (scale === 1 && webFormats.includes(format)) {
    const bytes = "path" in source ? await readFile(source.path) : Buffer.from(source.bytes);
    return `data:image/${format};base64,${bytes.toString("base64")}`;
  }
  const { rgb, ...size } = await decodeImage(source, row);
  const raw = { width: size.width, height: size.height, channels: 3 as const };
  const [newWidth, newHeight] = [size.width, size.height].map((side) => Math.max(1, Math.floor(side * scale)));
  const image = sharp(rgb, { raw });
  if (scale !== 1) image.resize(newWidth, newHeight, { fit: "fill", kernel: "cubic" });
  return `data:image/png;base64,${(await image.png().toBuffer()).toString("base64")}`;
}

function scaleFor(area: number, { minPixels, maxPixels }: EvaluationSettings): number {
  if (maxPixels !== null && area > maxPixels) return Math.sqrt(maxPixels / area);
  if (minPixels !== null && area < minPixels) return Math.sqrt(minPixels / area);
  return 1;
}

/** A seed of the request for the row's responses from `first` on: another row or another start, another seed. */
export function requestSeed(seed: number, id: string, first: number): number {
  return (
    createHash("sha256")
      .update(JSON.stringify([seed, id, first]))
      .digest()
      .readUInt32BE(0) >>> 1
  );
}
