import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32c } from "../../lib/trainer/crc32c.ts";
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
