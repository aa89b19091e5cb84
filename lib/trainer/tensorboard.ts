// TensorBoard event files: protobuf Event messages in TFRecord framing.
// Formats: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto, core/lib/io/record_writer.cc.
import { mkdir, open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { crc32c } from "./crc32c.ts";
import { histogramOf } from "./histogram.ts";
import { bytesField, doubleField, doublesField, floatField, varintField } from "./protobuf.ts";

const textDtype = 7; // DT_STRING
const sessionStart = 1;
const rgb = 3;

/** An encoded picture. */
export interface LoggedPicture {
  readonly png: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export class TensorBoardWriter implements AsyncDisposable {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * Starts a new event file in `dir`, made if absent.
   * @param resumedStep TensorBoard drops what earlier files have after this step; undefined for a fresh run
   */
  static async create(dir: string, resumedStep?: number): Promise<TensorBoardWriter> {
    await mkdir(dir, { recursive: true });
    const nowMs = Date.now();
    const seconds = Math.floor(nowMs / 1000)
      .toString()
      .padStart(10, "0");
    const handle = await open(
      join(dir, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${nowMs % 1000}`),
      "a",
    );
    const writer = new TensorBoardWriter(handle);
    await writer.#write(event(0, bytesField(3, Buffer.from("brain.Event:2"))));
    if (resumedStep !== undefined)
      await writer.#write(event(resumedStep + 1, bytesField(7, varintField(1, sessionStart))));
    return writer;
  }

  /** One point a metric; TensorBoard shows float32. */
  async addScalars(step: number, metrics: Readonly<Record<string, number>>): Promise<void> {
    const values = Object.entries(metrics).map(([tag, value]) => summaryValue(tag, floatField(2, value)));
    if (values.length > 0) await this.#write(event(step, bytesField(5, Buffer.concat(values))));
  }

  /** A text (Markdown) under `tag`. */
  async addText(step: number, tag: string, text: string): Promise<void> {
    const shape = bytesField(2, bytesField(2, varintField(1, 1)));
    const tensor = Buffer.concat([varintField(1, textDtype), shape, bytesField(8, Buffer.from(text))]);
    const plugin = bytesField(1, bytesField(1, Buffer.from("text")));
    const value = summaryValue(tag, Buffer.concat([bytesField(9, plugin), bytesField(8, tensor)]));
    await this.#write(event(step, bytesField(5, value)));
  }

  async addImage(step: number, tag: string, { png, width, height }: LoggedPicture): Promise<void> {
    const size = [varintField(1, height), varintField(2, width), varintField(3, rgb)];
    const image = bytesField(4, Buffer.concat([...size, bytesField(4, png)]));
    await this.#write(event(step, bytesField(5, summaryValue(tag, image))));
  }

  /** The distribution of the values; those that are not finite are left out, and nothing is written for none. */
  async addHistogram(step: number, tag: string, values: readonly number[]): Promise<void> {
    const histogram = histogramOf(values);
    if (!histogram) return;
    const { min, max, count, sum, sumOfSquares, edges, counts } = histogram;
    const moments = [min, max, count, sum, sumOfSquares].map((value, index) => doubleField(index + 1, value));
    const bins = [doublesField(6, edges), doublesField(7, counts)];
    const content = bytesField(5, Buffer.concat([...moments, ...bins]));
    await this.#write(event(step, bytesField(5, summaryValue(tag, content))));
  }

  async #write(data: Buffer): Promise<void> {
    await this.#handle.appendFile(record(data));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** Length, its checksum, data, its checksum; one buffer so that it is written in one call. */
function record(data: Buffer): Buffer {
  const framed = Buffer.alloc(data.length + 16);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return framed;
}

/** Checksums of data that may hold checksums itself are rotated and shifted, as the format says. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function event(step: number, content: Buffer): Buffer {
  return Buffer.concat([doubleField(1, Date.now() / 1000), ...(step === 0 ? [] : [varintField(2, step)]), content]);
}

function summaryValue(name: string, content: Buffer): Buffer {
  return bytesField(1, Buffer.concat([bytesField(1, Buffer.from(name)), content]));
}
