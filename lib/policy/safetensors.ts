// The safetensors file format: an 8-byte little-endian header length, a JSON header, the tensors' bytes. Owns reading
// and checking headers; safetensors-layout.ts lays out new files. JavaScript never sees a tensor's bytes.
// Format: https://huggingface.co/docs/safetensors, rules as its Rust reader (safetensors/src/tensor.rs) has them.
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { findDuplicateKey, isDeeperThan } from "./json-duplicates.ts";
import { isJsonObject } from "./json-file.ts";

const dtypeBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  I64: 64,
  U64: 64,
  F64: 64,
} as const;

export type TensorDtype = keyof typeof dtypeBits;

/** Bits of one element. */
export function elementBits(dtype: TensorDtype): number {
  return dtypeBits[dtype];
}

/** A tensor to be written. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
}

/** A tensor and where its bytes are. */
export interface TensorEntry extends TensorSpec {
  /** From the start of the file. */
  readonly byteOffset: number;
  readonly numBytes: number;
}

export interface SafetensorsHeader {
  /** By name. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly fileBytes: number;
}

/** Bytes before the JSON that hold its length. */
export const lengthBytes = 8;
/**
 * Far more than any Qwen2.5-VL needs (0.2 MB). Differs: the Rust reader takes 100 MB, which JSON.parse can turn into
 * minutes and gigabytes.
 */
const maxHeaderBytes = 16_000_000;
/** A list in a tensor in the header. */
const maxDepth = 3;

/**
 * Reads and checks the header of a safetensors file: sizes before allocation, every tensor's bytes within the file,
 * without gaps or overlap, to the last byte.
 * @throws {CheckpointError} with the file, the rule and what came
 */
export async function readHeader(file: string): Promise<SafetensorsHeader> {
  const info = await stat(file).catch((error: unknown) => {
    throw new CheckpointError(file, (error as Error).message, { cause: error });
  });
  if (!info.isFile()) throw new CheckpointError(file, "expected a file");
  const handle = await open(file, "r").catch((error: unknown) => {
    throw new CheckpointError(file, (error as Error).message, { cause: error });
  });
  try {
    const headerBytes = await readHeaderLength(file, handle, info.size);
    const header = await readBytes(file, handle, lengthBytes, headerBytes);
    return parseHeader(file, header, info.size);
  } finally {
    await handle.close();
  }
}

async function readHeaderLength(file: string, handle: FileHandle, fileBytes: number): Promise<number> {
  if (fileBytes < lengthBytes)
    throw new CheckpointError(file, `expected 8 bytes of header length, the file has ${fileBytes}`);
  const length = (await readBytes(file, handle, 0, lengthBytes)).readBigUInt64LE();
  if (length > maxHeaderBytes)
    throw new CheckpointError(
      file,
      `expected a header of at most ${maxHeaderBytes} bytes, it claims ${length.toString()}`,
    );
  const headerBytes = Number(length);
  if (headerBytes > fileBytes - lengthBytes) {
    throw new CheckpointError(
      file,
      `the header claims ${headerBytes} bytes, the file has ${fileBytes - lengthBytes} after the length`,
    );
  }
  return headerBytes;
}

async function readBytes(file: string, handle: FileHandle, position: number, numBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(numBytes);
  let done = 0;
  while (done < numBytes) {
    const { bytesRead } = await handle.read(buffer, done, numBytes - done, position + done);
    if (bytesRead === 0) throw new CheckpointError(file, `ended at byte ${position + done} while it was read`);
    done += bytesRead;
  }
  return buffer;
}

/**
 * Checks the JSON part of a header; `file` is for messages.
 * @param fileBytes size of the whole file
 * @throws {CheckpointError}
 */
export function parseHeader(file: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const fields = Object.entries(parseJson(file, json));
  const dataStart = lengthBytes + json.length;
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of fields) {
    if (name === "__metadata__") readMetadata(file, value, metadata);
    else tensors.set(name, tensorEntry({ file, name, dataStart }, value));
  }
  checkCoverage(file, [...tensors.values()], { start: dataStart, end: fileBytes });
  return { tensors, metadata, fileBytes };
}

function parseJson(file: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (isDeeperThan(text, maxDepth)) throw new Error(`expected at most ${maxDepth} levels`);
    const value: unknown = JSON.parse(text);
    if (!text.startsWith("{") || !isJsonObject(value)) throw new Error("expected an object");
    const duplicate = findDuplicateKey(text);
    if (duplicate !== undefined) throw new Error(`the key ${JSON.stringify(duplicate)} is there twice`);
    return value;
  } catch (error) {
    throw new CheckpointError(file, `header: ${(error as Error).message}`, { cause: error });
  }
}

function readMetadata(file: string, value: unknown, metadata: Map<string, string>): void {
  if (!isJsonObject(value)) throw new CheckpointError(file, "header: __metadata__: expected an object of strings");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw new CheckpointError(file, `header: __metadata__.${key}: expected a string`);
    metadata.set(key, text);
  }
}

interface Place {
  readonly file: string;
  readonly name: string;
  readonly dataStart: number;
}

function tensorEntry(place: Place, value: unknown): TensorEntry {
  const fail = (rule: string, got: unknown): never => {
    throw new CheckpointError(place.file, `header: ${place.name}: ${rule}, got ${JSON.stringify(got)}`);
  };
  if (!isJsonObject(value)) return fail("expected an object", value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) return fail(`dtype: expected one of ${Object.keys(dtypeBits).join(", ")}`, dtype);
  if (!isCountList(shape)) return fail("shape: expected a list of integers >= 0", shape);
  if (!isCountList(offsets) || offsets.length !== 2) return fail("data_offsets: expected two integers >= 0", offsets);
  const [begin = 0, end = 0] = offsets;
  if (begin > end) return fail("data_offsets: expected begin <= end", offsets);
  const numBytes = tensorBytes(dtype, shape);
  if (numBytes === undefined) return fail("shape: the tensor's size is no whole number of bytes or overflows", shape);
  if (numBytes !== end - begin)
    return fail(`data_offsets: expected ${numBytes} bytes for ${dtype} [${shape.join(", ")}]`, offsets);
  return { name: place.name, dtype, shape, byteOffset: place.dataStart + begin, numBytes };
}

function isDtype(value: unknown): value is TensorDtype {
  return typeof value === "string" && Object.hasOwn(dtypeBits, value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

/** Bytes of a tensor; undefined when that is no safe integer at any step of the product. */
export function tensorBytes(dtype: TensorDtype, shape: readonly number[]): number | undefined {
  let numBits: number = dtypeBits[dtype];
  for (const size of shape) {
    numBits *= size;
    if (!Number.isSafeInteger(numBits)) return undefined;
  }
  return numBits % 8 === 0 ? numBits / 8 : undefined;
}

function checkCoverage(file: string, tensors: TensorEntry[], data: { start: number; end: number }): void {
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.numBytes - b.numBytes);
  let at = data.start;
  for (const { name, byteOffset, numBytes } of tensors) {
    if (byteOffset !== at) {
      const what = byteOffset < at ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new CheckpointError(
        file,
        `header: ${name}: data_offsets: ${what}: expected a begin of ${at - data.start}, got ${byteOffset - data.start}`,
      );
    }
    at += numBytes;
  }
  if (at !== data.end) {
    throw new CheckpointError(
      file,
      `the header describes ${at - data.start} bytes of tensors, the file holds ${data.end - data.start}: truncated or foreign`,
    );
  }
}
