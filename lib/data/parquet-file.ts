// Random access to the rows of a parquet file: footer checks, row groups decoded whole and kept in a shared cache.
import { isUtf8 } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { parquetMetadata, parquetSchema } from "hyparquet";
import { assembleNested } from "hyparquet/src/assemble.js";
import { DEFAULT_PARSERS } from "hyparquet/src/convert.js";
import { getTreePath } from "hyparquet/src/schema.js";
import type { ColumnMetaData, DecodedArray, ParquetParsers, RowGroup, SchemaTree } from "hyparquet/src/types.js";
import { DataError } from "../errors.ts";
import type { ByteCache } from "./byte-cache.ts";
import { openFile } from "./open-file.ts";
import { maxChunkValues, maxGroupBytes, readChunk } from "./parquet-pages.ts";
import type { Row, RowFile } from "./row-file.ts";

/** Footers of real files take kilobytes; one with 100,000 column chunks about 20 MB. */
const maxFooterBytes = 64 * 1024 * 1024;

/** Decoded columns of a row group by name, or why there are none: a broken group is not decoded again for each row. */
export type DecodedGroup = ReadonlyMap<string, DecodedArray> | DataError;

interface Group {
  /** Of the row group in the file. */
  readonly firstRow: number;
  readonly numRows: number;
  readonly chunks: readonly ColumnMetaData[];
}

// Text that is not UTF-8 and geometry stay bytes, JSON stays text: what they mean is decided row by row.
const parsers: ParquetParsers = {
  ...DEFAULT_PARSERS,
  stringFromBytes: textOrBytes,
  jsonFromBytes: textOrBytes,
  geometryFromBytes: (bytes: Uint8Array) => bytes,
  geographyFromBytes: (bytes: Uint8Array) => bytes,
};

export class ParquetFile implements RowFile {
  readonly path: string;
  readonly length: number;
  readonly #schema: SchemaTree;
  readonly #groups: readonly Group[];
  readonly #cache: ByteCache<DecodedGroup>;

  /**
   * Reads and checks the footer.
   * @param cache shared by the files of a data set
   * @throws {DataError} when it is not a parquet file or its footer contradicts the file
   */
  static async open(path: string, cache: ByteCache<DecodedGroup>): Promise<ParquetFile> {
    return await withFile(path, async (file) => {
      const { size } = await file.stat();
      const footer = await readFooter(file, size, path);
      return guarded(path, "broken parquet footer", () => {
        const metadata = parquetMetadata(footer, { parsers, geoparquet: false });
        const schema = parquetSchema(metadata);
        return new ParquetFile(path, schema, toGroups(metadata.row_groups, schema, size), cache);
      });
    });
  }

  private constructor(path: string, schema: SchemaTree, groups: readonly Group[], cache: ByteCache<DecodedGroup>) {
    this.path = path;
    this.length = groups.reduce((sum, { numRows }) => sum + numRows, 0);
    this.#schema = schema;
    this.#groups = groups;
    this.#cache = cache;
  }

  rowNumber(index: number): number {
    return index + 1;
  }

  async read(index: number): Promise<Row> {
    const which = this.#groups.findLastIndex(({ firstRow }) => firstRow <= index);
    const group = this.#groups[which];
    if (!group) throw new RangeError(`[ParquetFile.read] index: expected one below ${this.length}, got ${index}`);
    const columns = await this.#cache.get(`${this.path}\0${which}`, () => this.#decode(group));
    if (columns instanceof DataError) throw new DataError(this.path, index + 1, columns.message, { cause: columns });
    const inGroup = index - group.firstRow;
    const entries = [...columns].map(([name, values]) => [name, values[inGroup] as unknown] as const);
    return { values: Object.fromEntries(entries), numberText: () => undefined };
  }

  async *column(name: string): AsyncGenerator {
    for (const group of this.#groups) {
      const { value } = await this.#decode(group, name);
      const values: ArrayLike<unknown> = (value instanceof DataError ? undefined : value.get(name)) ?? [];
      for (let row = 0; row < group.numRows; row += 1) yield values[row];
    }
  }

  async #decode(group: Group, only?: string): Promise<{ value: DecodedGroup; bytes: number }> {
    try {
      return await withFile(this.path, (file) => this.#decodeColumns(file, group, only));
    } catch (error) {
      if (error instanceof DataError) return { value: error, bytes: 1024 };
      throw error;
    }
  }

  /** All columns of a row group, or one. */
  async #decodeColumns(file: FileHandle, group: Group, only?: string): Promise<{ value: DecodedGroup; bytes: number }> {
    const columns = new Map<string, DecodedArray>();
    let bytes = 0;
    for (const node of this.#schema.children) {
      const { name } = node.element;
      if (only !== undefined && only !== name) continue;
      const leaves = new Map<string, DecodedArray>();
      for (const meta of group.chunks.filter(({ path_in_schema: path }) => path[0] === name)) {
        const chunkBytes = await pread(file, Number(chunkStart(meta)), Number(meta.total_compressed_size), this.path);
        const chunk = guarded(this.path, `column ${name} from row ${group.firstRow + 1}`, () =>
          readChunk(chunkBytes, meta, this.#decoder(meta), group.numRows),
        );
        leaves.set(meta.path_in_schema.join("."), chunk.data);
        bytes += chunk.bytes;
      }
      if (leaves.size > 0)
        columns.set(
          name,
          guarded(this.path, `column ${name}`, () => assemble(leaves, node)),
        );
    }
    return { value: columns, bytes };
  }

  #decoder(meta: ColumnMetaData) {
    const schemaPath = getTreePath(this.#schema, meta.path_in_schema);
    const element = schemaPath.at(-1)?.element ?? this.#schema.element;
    const { path_in_schema: pathInSchema, type, codec } = meta;
    // utf8: false, for otherwise hyparquet turns binary columns, and so pictures, into text.
    return { pathInSchema, type, codec, schemaPath, element, parsers, utf8: false };
  }
}

/** The leaves of a top-level column as one value a row: structs become objects, lists arrays. */
function assemble(leaves: Map<string, DecodedArray>, node: SchemaTree): DecodedArray {
  if (node.children.length > 0) assembleNested(leaves, node, parsers);
  const column = leaves.get(node.element.name);
  if (!column) throw new Error("its parts do not make up a column");
  return column;
}

async function readFooter(file: FileHandle, size: number, path: string): Promise<Uint8Array> {
  const tail = size < 12 ? Buffer.alloc(8) : await pread(file, size - 8, 8, path);
  const magic = tail.toString("latin1", 4);
  if (magic === "PARE") throw new DataError(path, undefined, "encrypted parquet files are not supported");
  if (magic !== "PAR1") throw new DataError(path, undefined, "not a parquet file: it does not end with PAR1");
  const length = tail.readUInt32LE(0);
  if (length > Math.min(maxFooterBytes, size - 12))
    throw new DataError(path, undefined, `broken parquet footer: it claims ${length} bytes of ${size}`);
  return await pread(file, size - 8 - length, length + 8, path);
}

/** Row groups whose claims fit the file. Statistics are left behind: they would be most of the memory. */
function toGroups(rowGroups: readonly RowGroup[], schema: SchemaTree, fileSize: number): Group[] {
  let firstRow = 0;
  return rowGroups.map((group, which) => {
    const numRows = inRange(`rows of row group ${which}`, group.num_rows, maxChunkValues);
    const chunks = group.columns.map(({ meta_data: meta, file_path: otherFile }) => {
      if (!meta || otherFile) throw new Error(`a column of row group ${which} lies in another file or is encrypted`);
      const leaf = getTreePath(schema, meta.path_in_schema).at(-1);
      if (leaf?.element.type !== meta.type) throw new Error(`column ${meta.path_in_schema.join(".")}: type differs`);
      const start = inRange("column offset", chunkStart(meta), fileSize);
      inRange("column bytes", meta.total_compressed_size, fileSize - start);
      inRange("values of a column", meta.num_values, maxChunkValues);
      const kept: ColumnMetaData = { ...meta };
      delete kept.statistics;
      return kept;
    });
    const bytes = chunks.reduce((sum, meta) => sum + Number(meta.total_uncompressed_size), 0);
    if (bytes > maxGroupBytes)
      throw new Error(`row group ${which} has ${bytes} bytes: rewrite the file with row groups below 2 GB`);
    firstRow += numRows;
    return { firstRow: firstRow - numRows, numRows, chunks };
  });
}

/** The dictionary page comes first where there is one; some writers leave its offset 0. */
function chunkStart(meta: ColumnMetaData): bigint {
  return meta.dictionary_page_offset || meta.data_page_offset;
}

function inRange(what: string, value: bigint, max: number): number {
  if (typeof value === "bigint" && value >= 0n && value <= BigInt(max)) return Number(value);
  throw new Error(`${what}: expected 0 to ${max}, got ${value}`);
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openFile(path).catch((error: unknown) => {
    throw new DataError(path, undefined, `cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function pread(file: FileHandle, start: number, length: number, path: string): Promise<Buffer> {
  // A buffer of its own: decoded values are views into it.
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw new DataError(path, undefined, "the file became shorter while it was in use");
    done += bytesRead;
  }
  return bytes;
}

/** Whatever hyparquet makes of broken bytes (RangeError, TypeError, Error) is an error of the data. */
function guarded<T>(path: string, what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new DataError(path, undefined, `${what}: ${(error as Error).message}`, { cause: error });
  }
}

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : bytes;
}
