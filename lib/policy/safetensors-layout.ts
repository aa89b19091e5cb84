import { elementBits, lengthBytes, tensorBytes } from "./safetensors.ts";
import type { TensorEntry, TensorSpec } from "./safetensors.ts";

/** Where new tensors go in one file. */
export interface SafetensorsLayout {
  /** The file's first bytes: length, JSON, padding. */
  readonly header: Uint8Array;
  /** In file order. */
  readonly entries: readonly TensorEntry[];
  readonly fileBytes: number;
}

/** Header and tensors start at multiples of this, so that a mapped tensor can be used in place. */
const alignmentBytes = 8;

/**
 * Places new tensors in one file: wider dtypes first (so that each stays aligned), else in the given order.
 * @throws {RangeError} on a name given twice, or a size that is no whole number of bytes
 */
export function layoutTensors(
  specs: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const sorted = [...specs].sort((a, b) => elementBits(b.dtype) - elementBits(a.dtype));
  const fields = new Map<string, unknown>(Object.keys(metadata).length === 0 ? [] : [["__metadata__", metadata]]);
  const relative: TensorEntry[] = [];
  let end = 0;
  for (const spec of sorted) {
    const numBytes = tensorBytes(spec.dtype, spec.shape);
    if (numBytes === undefined)
      throw new RangeError(`[layoutTensors] ${spec.name}: no whole number of bytes: [${spec.shape.join(", ")}]`);
    if (fields.has(spec.name)) throw new RangeError(`[layoutTensors] ${spec.name} is there twice`);
    fields.set(spec.name, { dtype: spec.dtype, shape: spec.shape, data_offsets: [end, end + numBytes] });
    relative.push({ name: spec.name, dtype: spec.dtype, shape: [...spec.shape], byteOffset: end, numBytes });
    end += numBytes;
  }
  const header = encodeHeader(fields);
  return {
    header,
    entries: relative.map((entry) => ({ ...entry, byteOffset: entry.byteOffset + header.length })),
    fileBytes: header.length + end,
  };
}

function encodeHeader(fields: ReadonlyMap<string, unknown>): Uint8Array {
  // Joined by hand: assigning a name like __proto__ to an object would not make a property of it.
  const json = [...fields].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
  const bytes = Buffer.from(`{${json}}`);
  const jsonBytes = Math.ceil(bytes.length / alignmentBytes) * alignmentBytes;
  const header = Buffer.alloc(lengthBytes + jsonBytes, " ");
  header.writeBigUInt64LE(BigInt(jsonBytes));
  bytes.copy(header, lengthBytes);
  return header;
}

/** Tensors in one shard after the other. */
export interface Shard {
  readonly fileName: string;
  readonly tensors: readonly TensorSpec[];
}

/**
 * Cuts tensors into shards of at most `maxShardBytes` of tensor data, in the given order; a larger tensor gets a shard
 * of its own. One shard is called `model.safetensors`, several `model-00001-of-00002.safetensors` and so on.
 */
export function shardTensors(specs: readonly TensorSpec[], maxShardBytes: number): Shard[] {
  const shards: TensorSpec[][] = [[]];
  let shardBytes = 0;
  for (const spec of specs) {
    const numBytes = tensorBytes(spec.dtype, spec.shape) ?? Infinity;
    const isFull = shardBytes > 0 && shardBytes + numBytes > maxShardBytes;
    if (isFull) shards.push([]);
    shards.at(-1)?.push(spec);
    shardBytes = (isFull ? 0 : shardBytes) + numBytes;
  }
  const number = (index: number) => index.toString().padStart(5, "0");
  return shards.map((tensors, index) => ({
    fileName:
      shards.length === 1 ? "model.safetensors" : `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`,
    tensors,
  }));
}
