import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { maxPictureBytes, readImageHeader } from "../../lib/data/image-header.ts";
import { decodeImage } from "../../lib/data/image.ts";
import { DataError } from "../../lib/errors.ts";
import { badFiles } from "../support/data.ts";
import type { DataRow } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const where = { file: "train.jsonl", row: 3 };

function decode(bytes: Uint8Array, exifRotate = false) {
  return decodeImage({ bytes }, where, { exifRotate });
}

/** A PNG chunk with its checksum. */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A PNG of 8-bit grey; data is `rows` rows of zeros whatever the header says. */
function greyPng(width: number, height: number, rows: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const data = deflateSync(Buffer.alloc(rows * (width + 1)));
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

/** The PNG with a gAMA chunk after its header (8 bytes of signature, 25 of IHDR). */
function withGamma(png: Buffer): Buffer {
  return Buffer.concat([png.subarray(0, 33), chunk("gAMA", Buffer.from([0, 0, 177, 143])), png.subarray(33)]);
}

/** A BMP of 1 x 1 px. */
function bmp(): Buffer {
  const bytes = Buffer.alloc(58);
  bytes.write("BM", "latin1");
  for (const [at, value] of [
    [10, 54],
    [14, 40],
    [18, 1],
    [22, 1],
  ] as const)
    bytes.writeUInt32LE(value, at);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  return bytes;
}

/** A GIF of 2 x 1 px with colours (10,20,30) and (40,50,60), the second one transparent; the frame may be smaller. */
function transparentGif(frameWidth = 2): Buffer {
  // LZW with 2-bit codes + clear (4) and end (5), 3 bits each from the lowest: 4, 0, 1, 5 -> 0b101_001_000_100
  return Buffer.concat([
    Buffer.from("GIF89a", "latin1"),
    Buffer.from([2, 0, 1, 0, 0x80, 0, 0, 10, 20, 30, 40, 50, 60]),
    Buffer.from([0x21, 0xf9, 4, 1, 0, 0, 1, 0]),
    Buffer.from([0x2c, 0, 0, 0, 0, frameWidth, 0, 1, 0, 0, 2, 2, 0x44, 0x0a, 0, 0x3b]),
  ]);
}

/** A TIFF of one strip without compression whose tags are 16-bit integers; those given come on top of 8-bit grey. */
function tiff(width: number, data: Uint8Array, more: Readonly<Record<number, readonly number[]>> = {}): Buffer {
  const height = data.length / (width * (more[277]?.[0] ?? 1) * ((more[258]?.[0] ?? 8) / 8));
  const tags = { 256: [width], 257: [height], 258: [8], 259: [1], 262: [1], 273: [8], 278: [height], 279: [data.length], ...more }; // prettier-ignore
  const entries = Object.entries(tags);
  const directory = Buffer.alloc(2 + entries.length * 12 + 4);
  directory.writeUInt16LE(entries.length);
  const start = 8 + data.length + (data.length % 2);
  const arrays: Buffer[] = [];
  for (const [index, [tag, values]] of entries.entries()) {
    const at = 2 + index * 12;
    directory.writeUInt16LE(Number(tag), at);
    directory.writeUInt16LE(3, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    const bytes = Buffer.from(Uint16Array.from(values).buffer);
    if (bytes.length <= 4) bytes.copy(directory, at + 8);
    else {
      directory.writeUInt32LE(start + directory.length + Buffer.concat(arrays).length, at + 8);
      arrays.push(bytes);
    }
  }
  const head = Buffer.from([0x49, 0x49, 42, 0, start & 255, start >> 8, 0, 0]);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2), directory, ...arrays]);
}

describe("modes follow Pillow's rules", () => {
  test("alpha is dropped, not composited", async () => {
    const bytes = await sharp(Buffer.from([9, 8, 7, 0]), { raw: { width: 1, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect(Array.from((await decode(bytes)).rgb)).toEqual([9, 8, 7]);
  });

  test("16-bit grey is clipped to 255, not scaled", async () => {
    const grey = Uint16Array.from([0, 1, 254, 255, 256, 65535]);
    const bytes = await sharp(grey, { raw: { width: 6, height: 1, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    const { rgb } = await decode(bytes);
    expect(Array.from(rgb.filter((_, index) => index % 3 === 0))).toEqual([0, 1, 254, 255, 255, 255]);
  });

  test("a CMYK JPEG is taken as stored inverted, with and without Adobe's marker", async () => {
    const flat = Buffer.alloc(8 * 8 * 4).map((_, index) => [12, 0, 51, 0][index % 4] ?? 0);
    const adobe = await sharp(flat, { raw: { width: 8, height: 8, channels: 4 } })
      .pipelineColourspace("cmyk")
      .toColourspace("cmyk")
      .jpeg({ quality: 100 })
      .toBuffer();
    const inks = await sharp(adobe).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer();
    const [cyan = 0, magenta = 0, yellow = 0, black = 0] = inks;
    expect(black).toBe(0); // so that RGB is 255 - ink
    const want = [255 - cyan, 255 - magenta, 255 - yellow];
    expect(Array.from((await decode(adobe)).rgb.subarray(0, 3))).toEqual(want);
    const marker = adobe.indexOf(Buffer.from("Adobe", "latin1")) - 4;
    expect(marker).toBeGreaterThan(0);
    const end = marker + 2 + adobe.readUInt16BE(marker + 2);
    const plain = Buffer.concat([adobe.subarray(0, marker), adobe.subarray(end)]);
    expect(Array.from((await decode(plain)).rgb.subarray(0, 3))).toEqual(want);
  });

  test("a GIF's transparent pixels keep their palette colour", async () => {
    expect(Array.from((await decode(transparentGif())).rgb)).toEqual([10, 20, 30, 40, 50, 60]);
  });

  test("an EXIF orientation acts only when asked for", async () => {
    const rgb = Buffer.from([1, 1, 1, 250, 250, 250]);
    const bytes = await sharp(rgb, { raw: { width: 2, height: 1, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    expect(await decode(bytes)).toEqual({ rgb: new Uint8Array(rgb), width: 2, height: 1 });
    expect(await decode(bytes, true)).toEqual({ rgb: new Uint8Array(rgb), width: 1, height: 2 });
  });
});

test.each([
  [1, 3, "123456"],
  [2, 3, "321654"],
  [3, 3, "654321"],
  [4, 3, "456123"],
  [5, 2, "142536"],
  [6, 2, "415263"],
  [7, 2, "635241"],
  [8, 2, "362514"],
])(
  "a TIFF of orientation %i is turned without being asked, as Pillow does on opening",
  async (orientation, width, want) => {
    const bytes = tiff(3, Uint8Array.from([1, 2, 3, 4, 5, 6]), { 274: [orientation] });
    const decoded = await decode(bytes);
    expect([decoded.width, decoded.height]).toEqual([width, 6 / width]);
    expect(decoded.rgb.filter((_, index) => index % 3 === 0).join("")).toBe(want);
    expect(await readImageHeader({ bytes }, where)).toMatchObject({ width, height: 6 / width });
  },
);

const pixels = Uint8Array.from({ length: 24 }, (_, index) => index);
const colorMap = Array.from({ length: 768 }, (_, index) => index % 256);

test.each([
  ["16-bit grey of white as 0", tiff(3, pixels, { 258: [16], 262: [0] })],
  ["YCbCr colours outside JPEG", tiff(2, pixels, { 258: [8, 8, 8], 262: [6], 277: [3], 530: [1, 1] })],
  ["an 8-bit colour map", tiff(3, pixels, { 262: [3], 320: colorMap })],
  ["premultiplied alpha", tiff(3, pixels, { 258: [8, 8, 8, 8], 262: [2], 277: [4], 338: [1] })],
])("a TIFF with %s, which sharp decodes to other bytes than Pillow, is refused", async (what, bytes) => {
  await expect(decode(bytes)).rejects.toThrow(DataError);
  await expect(decode(bytes)).rejects.toThrow(`TIFF with ${what} is not supported`);
});

test("a TIFF with a 16-bit colour map or with plain alpha is read", async () => {
  const map = colorMap.map((value) => value * 257);
  expect((await decode(tiff(3, pixels, { 262: [3], 320: map }))).width).toBe(3);
  const alpha = await decode(tiff(3, pixels, { 258: [8, 8, 8, 8], 262: [2], 277: [4], 338: [2] }));
  expect([...alpha.rgb.subarray(0, 6)]).toEqual([0, 1, 2, 4, 5, 6]);
});

describe("what is refused", () => {
  test.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(0), "not a PNG, JPEG, WebP, GIF, TIFF or BMP picture"],
    ["text", Buffer.from("hello"), "not a PNG, JPEG, WebP, GIF, TIFF or BMP picture"],
    ["SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), "not a PNG, JPEG"],
    ["a PNG of 100 Mpx", greyPng(10_000, 10_000, 1), "expected at most 89478485 pixels, got 10000 x 10000"],
    ["a PNG that lies about its size", greyPng(64, 64, 1), "libpng"],
    ["a PNG without end", greyPng(4, 4, 4).subarray(0, -12), "the PNG has no end"],
    ["a PNG cut off in its data", greyPng(4, 4, 4).subarray(0, 45), 'the PNG is cut off in chunk "IDAT"'],
    [
      "a PNG with a wrong checksum",
      flip(withGamma(greyPng(4, 4, 4)), 45),
      'the PNG\'s chunk "gAMA" has a wrong checksum',
    ],
    ["a BMP", bmp(), "expected a PNG, JPEG, WebP, GIF or TIFF picture, got BMP"],
    ["a GIF whose frame is smaller", transparentGif(1), "(0, 0, 1, 1) does not cover its 2 x 1 px"],
    ["a GIF without frame", transparentGif().subarray(0, 27), "the GIF is cut off before its first frame"],
    ["a GIF of 4,295 Mpx", Buffer.from("GIF89a\xff\xff\xff\xff\0\0\0", "latin1"), "got 65535 x 65535"],
    ["a GIF with an unknown block", Buffer.from("GIF89a\x01\0\x01\0\0\0\0\x07..........", "latin1"), "unknown block 7"],
  ])("%s", async (_, bytes, text) => {
    await expect(decode(bytes)).rejects.toThrow(DataError);
    await expect(decode(bytes)).rejects.toThrow("train.jsonl:3: embedded picture: ");
    await expect(decode(bytes)).rejects.toThrow(text);
  });

  test("a truncated JPEG", async () => {
    const bytes = await sharp({
      create: {
        width: 64,
        height: 64,
        channels: 3,
        background: "teal",
        noise: { type: "gaussian", mean: 99, sigma: 30 },
      },
    })
      .jpeg()
      .toBuffer();
    expect((await decode(bytes)).width).toBe(64);
    await expect(decode(bytes.subarray(0, bytes.length / 2))).rejects.toThrow(DataError);
  });

  test("more bytes than the limit, before they are read", async () => {
    await expect(decode(new Uint8Array(maxPictureBytes + 1))).rejects.toThrow("expected at most 268435456 bytes");
  });

  test("a missing file, a folder", async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, "a.png"));
    const missing = decodeImage({ path: join(folder, "b.png") }, where);
    await expect(missing).rejects.toThrow("b.png: cannot be read: ENOENT");
    await expect(missing).rejects.toMatchObject({ name: "DataError", file: "train.jsonl", row: 3 });
    await expect(decodeImage({ path: join(folder, "a.png") }, where)).rejects.toThrow("a.png: expected a file");
  });

  test("what a file holds is read as embedded bytes are", async () => {
    const path = join(tempFolder(), "a.gif");
    writeFileSync(path, transparentGif());
    expect(await decodeImage({ path }, where)).toEqual(await decode(transparentGif()));
  });
});

interface Outcome {
  readonly path: string;
  readonly sha256?: string;
  readonly error?: string;
}

/** Decodes in children with 8 GiB of address space and 20 s a picture; a dead or stuck child is an outcome too. */
async function decodeInChildren(paths: readonly string[]): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const halves = [paths.filter((_, index) => index % 2 === 0), paths.filter((_, index) => index % 2 === 1)];
  await Promise.all(
    halves.map(async (half) => {
      for (let left = half; left.length > 0; left = left.filter((path) => !outcomes.has(path))) {
        const first = left.find((path) => !outcomes.has(path)) ?? "";
        const before = outcomes.size;
        await runChild(left, outcomes);
        const stuckAt = left.find((path) => !outcomes.has(path));
        if (stuckAt !== undefined) outcomes.set(stuckAt, { path: stuckAt });
        if (outcomes.size === before) throw new Error(`the decoding child does not start (at ${first})`);
      }
    }),
  );
  return outcomes;
}

function runChild(paths: readonly string[], outcomes: Map<string, Outcome>): Promise<void> {
  const script = join(import.meta.dirname, "decode-pictures.ts");
  const hooks = join(import.meta.dirname, "..", "support", "ts.mjs");
  const child = spawn(
    "sh",
    ["-c", `ulimit -v 8388608; exec "$0" --import "$1" "$2"`, process.execPath, hooks, script],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  child.stdin.on("error", () => undefined);
  child.stdin.end(paths.join("\n") + "\n");
  const kill = () => child.kill("SIGKILL");
  let timer = setTimeout(kill, 20_000);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const outcome = JSON.parse(line) as Outcome;
    outcomes.set(outcome.path, outcome);
    clearTimeout(timer);
    timer = setTimeout(kill, 20_000);
  });
  return new Promise((resolve) => {
    child.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

test("every broken or odd picture gives Pillow's bytes or a DataError, and none a crash or a hang", async () => {
  const files = badFiles("pictures", (row) => typeof row["pil"] === "string");
  const outcomes = await decodeInChildren(files.map(({ path }) => path));
  const wrong: string[] = [];
  const onlyPillowRefuses: string[] = [];
  for (const { row, path } of files) {
    const { sha256, error } = outcomes.get(path) ?? { path };
    if (sha256 === undefined && error === undefined) wrong.push(`${path}: crash or hang`);
    else if (row["pil"] !== "ok" && error === undefined) onlyPillowRefuses.push(String(row["path"]));
    else if (row["pil"] === "ok" && sha256 !== undefined && sha256 !== row["rgb_sha256"]) wrong.push(`${path}: bytes`);
  }
  expect(wrong).toEqual([]);
  // These have whole picture data behind a bad ancillary chunk, or a GIF's cut-off LZW code.
  console.log(`${files.length} pictures; only Pillow refuses ${onlyPillowRefuses.join(", ") || "none"}`);
});

test("every odd but valid picture of a format that is read gives Pillow's bytes", async () => {
  const read = new Set(["JPEG", "PNG", "GIF", "WEBP", "TIFF"]);
  const isOdd = (row: DataRow) =>
    String(row["path"]).startsWith("odd_valid_images/") && row["pil"] === "ok" && read.has(String(row["format"]));
  for (const { row, path } of badFiles("odd but valid pictures", isOdd)) {
    const { rgb } = await decodeImage({ path }, where);
    expect([path, createHash("sha256").update(rgb).digest("hex")]).toEqual([path, row["rgb_sha256"]]);
  }
});

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}
