import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import type { Sharp } from "sharp";
import { expect, test } from "vitest";
import { memorySource } from "../../lib/data/byte-source.ts";
import { readJpeg } from "../../lib/data/image-formats.ts";
import { maxPictureBytes, readImageHeader } from "../../lib/data/image-header.ts";
import { DataError } from "../../lib/errors.ts";
import { badFiles, isThere, pictureRows, questionPictures, questionSets } from "../support/data.ts";
import { tempFolder, tinyPng } from "./temp.ts";

const place = { file: "set.jsonl", row: 5 };
const header = (bytes: Uint8Array) => readImageHeader({ bytes }, place);

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 30, b: 90 } } });

const encoders = {
  png: (image: Sharp) => image.png(),
  jpeg: (image: Sharp) => image.jpeg(),
  webp: (image: Sharp) => image.webp(),
  tiff: (image: Sharp) => image.tiff(),
  gif: (image: Sharp) => image.gif(),
};

test.each([
  [1, 1],
  [7, 111],
  [300, 37],
])("every format that sharp writes gives back its size, %i x %i", async (width, height) => {
  for (const [format, encode] of Object.entries(encoders))
    expect(await header(await encode(picture(width, height)).toBuffer())).toEqual({
      format,
      width,
      height,
      orientation: 1,
    });
  const lossless = await picture(width, height).webp({ lossless: true }).toBuffer();
  expect(await header(lossless)).toEqual({ format: "webp", width, height, orientation: 1 });
});

test("the orientation is that of the EXIF data and leaves the size alone, but a TIFF counts as turned", async () => {
  for (const orientation of [1, 3, 6, 8]) {
    for (const format of ["png", "jpeg", "webp"] as const) {
      const bytes = await encoders[format](picture(20, 10).withMetadata({ orientation })).toBuffer();
      expect(await header(bytes)).toEqual({ format, width: 20, height: 10, orientation });
    }
    const [width, height] = orientation > 4 ? [10, 20] : [20, 10];
    const tiff = await encoders.tiff(picture(20, 10).withMetadata({ orientation })).toBuffer();
    expect(await header(tiff)).toEqual({ format: "tiff", width, height, orientation: 1 });
  }
});

test("a JPEG whose frame lies behind 300 KB of other segments is read", async () => {
  const jpeg = await picture(33, 44).jpeg().toBuffer();
  const segment = Buffer.concat([Buffer.from([0xff, 0xe2, 0xff, 0xff]), Buffer.alloc(65_533, 1)]);
  const bytes = Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(5).fill(segment), jpeg.subarray(2)]);
  const path = join(tempFolder({ "a.jpg": bytes }), "a.jpg");
  for (const source of [{ bytes }, { path }])
    expect(await readImageHeader(source, place)).toMatchObject({ format: "jpeg", width: 33, height: 44 });
});

test("bytes between a JPEG's segments are passed over up to a limit, without a read for each", async () => {
  const jpeg = await picture(33, 44).jpeg().toBuffer();
  const second = 4 + jpeg.readUInt16BE(4);
  const withJunk = (junk: Uint8Array) => Buffer.concat([jpeg.subarray(0, second), junk, jpeg.subarray(second)]);
  // 0 and 1023 to 1025: a marker at the seam of two pieces
  for (const bytes of [0, 1, 1023, 1024, 1025, 60_000])
    expect(await header(withJunk(Buffer.alloc(bytes, 7)))).toMatchObject({ width: 33 });
  // Pieces of 60,000 bytes between segments, each of them within the limit.
  const empty = Buffer.concat([Buffer.alloc(60_000, 7), Buffer.from([0xff, 0xe2, 0, 2])]);
  const much = withJunk(Buffer.concat(Array<Buffer>(60).fill(empty)));
  let numReads = 0;
  const source = memorySource(much);
  const counting = {
    size: much.length,
    read: (at: number, length: number) => ((numReads += 1), source.read(at, length)),
  };
  await expect(readJpeg(counting)).rejects.toThrow("no JPEG marker where one must be");
  expect(numReads).toBeLessThan(200);
});

test("a picture file above the limit in bytes is refused by its size alone", async () => {
  const path = join(tempFolder({ "a.png": tinyPng }), "a.png");
  truncateSync(path, maxPictureBytes + 1);
  await expect(readImageHeader({ path }, place)).rejects.toThrow("expected at most 268435456 bytes, got 268435457");
});

test("BMP sizes are read from both header versions, a negative height being rows downwards", async () => {
  const bmp = (headerSize: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(54);
    bytes.write("BM");
    bytes.writeUInt32LE(headerSize, 14);
    write(bytes);
    return header(bytes);
  };
  expect(await bmp(12, (bytes) => (bytes.writeUInt16LE(7, 18), bytes.writeUInt16LE(9, 20)))).toMatchObject({ width: 7, height: 9 }); // prettier-ignore
  expect(await bmp(40, (bytes) => (bytes.writeInt32LE(7, 18), bytes.writeInt32LE(-9, 22)))).toMatchObject({ width: 7, height: 9 }); // prettier-ignore
  await expect(bmp(41, () => undefined)).rejects.toThrow("BMP header of 41 bytes");
});

test.each([
  ["nothing", Buffer.alloc(0), "not a PNG"],
  ["text", Buffer.from("hello, this is no picture"), "not a PNG, JPEG, WebP, GIF, TIFF or BMP picture"],
  ["a PNG with a wrong check sum", Buffer.concat([tinyPng.subarray(0, 18), Buffer.from([9]), tinyPng.subarray(19)]), "broken PNG header"], // prettier-ignore
  ["a cut PNG", tinyPng.subarray(0, 20), "the picture ends before its byte"],
  ["a GIF without a size", Buffer.from("GIF89a\0\0\0\0\0\0"), "expected a size of 1 x 1 or more, got 0 x 0"],
  ["a GIF of 4,294 megapixels", Buffer.from("GIF89a\xff\xff\xff\xff\0\0", "latin1"), "expected at most 89478485 pixels, got 65535 x 65535"], // prettier-ignore
  ["a JPEG that ends before its frame", Buffer.from([0xff, 0xd8, 0xff, 0xd9]), "JPEG without a frame"],
  ["a JPEG of zeros", Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(70_000)]), "no JPEG marker"],
  ["a JPEG with an empty segment", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0]), "JPEG segment of 0 bytes"],
  ["a WebP of an unknown kind", Buffer.from("RIFF____WEBPVP9 ______________"), "broken WebP header"],
  ["a TIFF that is not 42", Buffer.from("II*\0\x08\0\0\0\xff\xff\0\0", "latin1"), "TIFF directory of 65535 entries"],
  ["a TIFF whose directory is outside", Buffer.from("MM\0*\xff\xff\xff\xff____", "latin1"), "the picture ends before"],
])("%s is a DataError that names file and row", async (_, bytes, message) => {
  await expect(header(bytes)).rejects.toThrow(DataError);
  await expect(header(bytes)).rejects.toThrow(/^set\.jsonl:5: embedded picture: /);
  await expect(header(bytes)).rejects.toThrow(message);
});

test("a picture file that is not there is a DataError that names it", async () => {
  await expect(readImageHeader({ path: "/nowhere/p.png" }, place)).rejects.toThrow("picture /nowhere/p.png: ENOENT");
});

test("a picture cut anywhere gives its size or a DataError, from memory and from a file", async () => {
  for (const encode of Object.values(encoders)) {
    const whole = await encode(picture(30, 20).withMetadata({ orientation: 6 })).toBuffer();
    const path = join(tempFolder(), "cut");
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path, whole.subarray(0, length));
      const [fromMemory, fromFile] = await Promise.all(
        [{ bytes: whole.subarray(0, length) }, { path }].map((source) => readImageHeader(source, place).catch((error: unknown) => {
          expect(error).toBeInstanceOf(DataError);
          return "refused";
        })), // prettier-ignore
      );
      expect(fromMemory).toEqual(fromFile);
    }
  }
});

test("broken and odd pictures have the size that Pillow sees, or are refused", async () => {
  const numbers = { same: 0, refused: 0, seenOnlyHere: 0 };
  for (const { row, path } of badFiles("pictures", (row) => typeof row["pil"] === "string")) {
    const found = await readImageHeader({ path }, place).catch((error: unknown) => {
      expect(error).toBeInstanceOf(DataError);
      return undefined;
    });
    const { size, pil, format } = row as unknown as ManifestEntry;
    if (found && size) expect([path, found.width, found.height]).toEqual([path, ...size]);
    if (pil === "ok" && format && formats.includes(format))
      expect([path, found?.format.toUpperCase()]).toEqual([path, format]);
    numbers[!found ? "refused" : size ? "same" : "seenOnlyHere"] += 1;
  }
  console.log("headers beside Pillow's:", numbers);
});

interface ManifestEntry {
  readonly size?: readonly [number, number];
  readonly pil?: string;
  readonly format?: string;
}
const formats = ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"];

test("the pictures of the vision folder have Pillow's sizes", async () => {
  for (const { row, path } of pictureRows("vision", "pictures", (row) => Array.isArray(row["size"]))) {
    const { width, height } = await readImageHeader({ path }, place);
    expect([path, width, height]).toEqual([path, ...(row["size"] as number[])]);
  }
});

test("the pictures of the question sets have the size and orientation that sharp sees", async () => {
  for (const { file, rows } of questionSets()) {
    for (const path of new Set(rows.flatMap((row) => questionPictures(file, row)))) {
      if (!isThere(path)) continue;
      const expected = await sharp(readFileSync(path)).metadata();
      const { width, height, orientation } = await readImageHeader({ path }, place);
      if (expected.format === "tiff") continue; // counts as turned
      const { orientation: turned = 1 } = expected;
      expect([path, width, height, orientation]).toEqual([path, expected.width, expected.height, turned]);
    }
  }
});
