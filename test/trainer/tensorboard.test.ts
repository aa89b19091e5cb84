import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { crc32c } from "../../lib/trainer/crc32c.ts";
import { histogramOf } from "../../lib/trainer/histogram.ts";
import { TensorBoardWriter } from "../../lib/trainer/tensorboard.ts";
import { tempFolder } from "../support/temp.ts";

type Fields = Map<number, (number | Buffer)[]>;

/** Fields of a protobuf message by number: varints as numbers, the rest as bytes. */
function fields(message: Buffer): Fields {
  const found: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const bytes = (length: number) => message.subarray(at, (at += length));
  while (at < message.length) {
    const key = varint();
    const wireType = key % 8;
    const value = wireType === 0 ? varint() : bytes(wireType === 1 ? 8 : wireType === 5 ? 4 : varint());
    found.set(Math.floor(key / 8), [...(found.get(Math.floor(key / 8)) ?? []), value]);
  }
  return found;
}

const sub = (message: Fields | undefined, number: number) =>
  message?.get(number)?.map((bytes) => fields(bytes as Buffer)) ?? [];
const text = (message: Fields | undefined, number: number) => message?.get(number)?.[0]?.toString();

/** Events of the only file in `dir`; every checksum is compared. */
function readEvents(dir: string): Fields[] {
  const [name = "", ...others] = readdirSync(dir);
  expect(others).toEqual([]);
  const file = readFileSync(join(dir, name));
  const unmask = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const events: Fields[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(unmask(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmask(file.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    events.push(fields(data));
    at += length + 16;
  }
  return events;
}

test("crc32c of the digits 1 to 9 is the standard's check value", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

test("a file starts with the twelve bytes of every event file and its version", async () => {
  const dir = tempFolder();
  await (await TensorBoardWriter.create(dir))[Symbol.asyncDispose]();
  const [name = ""] = readdirSync(dir);
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  // length 24 and its masked checksum, as TensorFlow writes them
  expect(readFileSync(join(dir, name)).subarray(0, 12).toString("hex")).toBe("1800000000000000a37f4b22");
  expect(text(readEvents(dir)[0], 3)).toBe("brain.Event:2");
});

test("scalars and texts read back with tag, step and value", async () => {
  const dir = tempFolder();
  {
    await using writer = await TensorBoardWriter.create(dir);
    await writer.addScalars(37, { "reward/overall": 0.625, "actor/lr": 1e-6 });
    await writer.addScalars(5_000_000_000, { é: -7 });
    await writer.addScalars(38, {});
    await writer.addText(111, "val/generations", "**3** ".repeat(37));
  }
  const [, first, second, note, ...rest] = readEvents(dir);
  expect(rest).toEqual([]);
  expect(first?.get(2)).toEqual([37]);
  const values = sub(sub(first, 5)[0], 1);
  expect(values.map((value) => text(value, 1))).toEqual(["reward/overall", "actor/lr"]);
  expect(values.map((value) => (value.get(2)?.[0] as Buffer).readFloatLE())).toEqual([0.625, Math.fround(1e-6)]);
  expect(second?.get(2)).toEqual([5_000_000_000]);
  expect(text(sub(sub(second, 5)[0], 1)[0], 1)).toBe("é");
  const value = sub(sub(note, 5)[0], 1)[0];
  expect(text(sub(sub(value, 9)[0], 1)[0], 1)).toBe("text");
  expect(sub(value, 8)[0]?.get(1)).toEqual([7]);
  expect(text(sub(value, 8)[0], 8)).toBe("**3** ".repeat(37));
});

test("a resumed run's file tells TensorBoard to drop later steps", async () => {
  const dir = tempFolder();
  await (await TensorBoardWriter.create(dir, 37))[Symbol.asyncDispose]();
  const session = readEvents(dir)[1];
  expect(session?.get(2)).toEqual([38]);
  expect(sub(session, 7)[0]?.get(1)).toEqual([1]);
});

const doubles = (bytes: unknown) => {
  const buffer = bytes as Buffer;
  return Array.from({ length: buffer.length / 8 }, (_, index) => buffer.readDoubleLE(8 * index));
};

test("a histogram has 30 equal bins with their upper edges, one bin for equal values, none for no number", () => {
  const { edges = [], counts = [], ...rest } = histogramOf([0, 30, 30, 1, 1.5, Number.NaN, Infinity]) ?? {};
  // 0 and 1 are <= the first edge, 1.5 <= the second, both 30 <= the last
  expect(rest).toEqual({ min: 0, max: 30, count: 5, sum: 62.5, sumOfSquares: 1803.25 });
  expect(edges).toEqual(Array.from({ length: 30 }, (_, bin) => bin + 1));
  expect(counts).toEqual([2, 1, ...Array<number>(27).fill(0), 2]);
  expect(histogramOf([7, 7])).toMatchObject({ edges: [7], counts: [2] });
  expect(histogramOf([Number.NaN])).toBeUndefined();
});

/** Red on the left, blue on the right. */
async function picture() {
  const [width, height] = [7, 3];
  const rgb = Buffer.from(Array.from({ length: width * height }, (_, at) => (at % width < 4 ? [255, 0, 0] : [0, 0, 255])).flat()); // prettier-ignore
  return {
    png: await sharp(rgb, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
    width,
    height,
  };
}

test("pictures and histograms read back with size, bytes and bins", async () => {
  const dir = tempFolder();
  const shown = await picture();
  {
    await using writer = await TensorBoardWriter.create(dir);
    await writer.addImage(3, "samples/picture", shown);
    await writer.addHistogram(3, "distributions/reward", [0, 1, 1, 0.5]);
    await writer.addHistogram(3, "distributions/none", [Number.NaN]);
  }
  const [, image, histogram, ...rest] = readEvents(dir).map((event) => sub(sub(event, 5)[0], 1)[0]);
  expect(rest).toEqual([]);
  const [encoded] = sub(image, 4);
  expect([1, 2, 3].map((field) => encoded?.get(field)?.[0])).toEqual([3, 7, 3]);
  expect(shown.png.equals(encoded?.get(4)?.[0] as Buffer)).toBe(true);
  const [bins] = sub(histogram, 5);
  expect([1, 2, 3, 4, 5].map((field) => doubles(bins?.get(field)?.[0])[0])).toEqual([0, 1, 4, 2.5, 2.25]);
  expect(doubles(bins?.get(6)?.[0])).toHaveLength(30);
  expect(doubles(bins?.get(7)?.[0]).reduce((sum, count) => sum + count)).toBe(4);
});

const pythonReader = `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"images": 0, "histograms": 0, "scalars": 0, "tensors": 0})
events.Reload()
image = events.Images("samples/picture")[0]
histogram = events.Histograms("distributions/reward")[0]
text = events.Tensors("val/generations")[0]
print(json.dumps({
    "scalars": [[point.step, point.value] for point in events.Scalars("reward/overall")],
    "image": [image.step, image.width, image.height, image.encoded_image_string.hex()],
    "histogram": [histogram.step, histogram.histogram_value.num, sum(histogram.histogram_value.bucket)],
    "text": [text.step, text.tensor_proto.string_val[0].decode()],
    "plugin": events.SummaryMetadata("val/generations").plugin_data.plugin_name,
}))
`;

test("Python's tensorboard reads scalars, text, pictures and histograms", async ({ skip }) => {
  skip(spawnSync("python3", ["-c", "import tensorboard"]).status !== 0, "Python has no tensorboard here");
  const dir = tempFolder();
  const shown = await picture();
  {
    await using writer = await TensorBoardWriter.create(dir);
    await writer.addScalars(1, { "reward/overall": 0.25 });
    await writer.addScalars(2, { "reward/overall": 0.625 });
    await writer.addText(2, "val/generations", "**3** é");
    await writer.addImage(3, "samples/picture", shown);
    await writer.addHistogram(3, "distributions/reward", [0, 1, 1, 0.5]);
  }
  const { stdout, stderr } = spawnSync("python3", ["-c", pythonReader, dir], { encoding: "utf8" });
  expect(stdout, stderr).not.toBe("");
  expect(JSON.parse(stdout)).toEqual({
    scalars: [
      [1, 0.25],
      [2, 0.625],
    ],
    image: [3, 7, 3, shown.png.toString("hex")],
    histogram: [3, 4, 4],
    text: [2, "**3** é"],
    plugin: "text",
  });
});
