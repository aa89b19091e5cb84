// One column chunk of a parquet file -> its values. hyparquet decodes the pages; the sizes, value counts and run lengths
// that a page claims are checked here before it allocates or loops by them, for it believes them: a run header of five
// bytes may claim 2^31 values.
import { compressors } from "hyparquet-compressors";
import type { ColumnDecoder, ColumnMetaData, DecodedArray, PageHeader } from "hyparquet/src/types.js";
import { parquetHeader, readPage } from "hyparquet/src/column.js";
import { convert } from "hyparquet/src/convert.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";

/** Values of one column in one row group; real row groups hold a thousand to a million. */
export const maxChunkValues = 2 ** 24;
/** Decoded bytes of one row group; a page is within it. Real row groups of pictures take 50 to 500 MB. */
export const maxGroupBytes = 2 ** 31 - 1;
/** Writers pad the last run of a page to whole groups of 8 values, some to 64 groups. */
const runPadding = 512;

export interface Chunk {
  readonly data: DecodedArray;
  /** Bytes of its pages when decompressed. */
  readonly bytes: number;
}

/**
 * The values of a column chunk, in row order; lists already assembled.
 * @param bytes the chunk as it lies in the file
 * @param numRows rows of the row group
 * @throws {Error} when the pages are broken or claim more than the chunk may hold
 */
export function readChunk(bytes: Uint8Array, meta: ColumnMetaData, decoder: ColumnDecoder, numRows: number): Chunk {
  const pages = new PageReader(bytes, decoder, Number(meta.num_values));
  const chunks: DecodedArray[] = [];
  let dictionary: DecodedArray | undefined;
  let last: DecodedArray | undefined;
  for (let page = pages.next(); page; page = pages.next()) {
    const reader = { view: viewOf(page.bytes), offset: 0 };
    const { data } = readPage(reader, page.header, { ...decoder, codec: "UNCOMPRESSED" }, dictionary, last, 0);
    if (page.header.type === "DICTIONARY_PAGE") {
      dictionary = data && convert(data, decoder);
    } else if (data && data !== last && data.length > 0) {
      chunks.push(data);
      last = data;
    }
  }
  const data = chunks.length === 1 && chunks[0] ? chunks[0] : chunks.flatMap((chunk) => Array.from<unknown>(chunk));
  if (data.length !== numRows) throw new Error(`expected ${numRows} values, got ${data.length}`);
  return { data, bytes: pages.totalBytes };
}

interface Page {
  /** As for a page without compression. */
  readonly header: PageHeader;
  readonly bytes: Uint8Array;
}

/** Walks the pages of a chunk, decompressed and checked. */
class PageReader {
  totalBytes = 0;
  readonly #bytes: Uint8Array;
  readonly #decoder: ColumnDecoder;
  #valuesLeft: number;
  #offset = 0;

  constructor(bytes: Uint8Array, decoder: ColumnDecoder, numValues: number) {
    this.#bytes = bytes;
    this.#decoder = decoder;
    this.#valuesLeft = numValues;
  }

  next(): Page | undefined {
    if (this.#valuesLeft <= 0 || this.#offset >= this.#bytes.length - 1) return undefined;
    const reader = { view: viewOf(this.#bytes), offset: this.#offset };
    const header = parquetHeader(reader);
    const compressedSize = within(
      "compressed page size",
      header.compressed_page_size,
      this.#bytes.length - reader.offset,
    );
    this.#offset = reader.offset + compressedSize;
    this.totalBytes += within("page size", header.uncompressed_page_size, maxGroupBytes - this.totalBytes);
    this.#countValues(header);
    const bytes = this.#decompress(header, this.#bytes.subarray(reader.offset, this.#offset));
    checkPageRuns(bytes, header, this.#decoder);
    return { header: plainHeader(header, bytes.length), bytes };
  }

  #countValues(header: PageHeader): void {
    if (header.dictionary_page_header) {
      within("dictionary values", header.dictionary_page_header.num_values, maxChunkValues);
      return;
    }
    const { num_values: numValues } = header.data_page_header ?? header.data_page_header_v2 ?? { num_values: NaN };
    this.#valuesLeft -= within("page values", numValues, this.#valuesLeft);
    const v2 = header.data_page_header_v2;
    if (!v2) return;
    within("nulls", v2.num_nulls, numValues);
    const levelBytes = within("repetition level bytes", v2.repetition_levels_byte_length, header.compressed_page_size);
    within("definition level bytes", v2.definition_levels_byte_length, header.compressed_page_size - levelBytes);
  }

  #decompress(header: PageHeader, bytes: Uint8Array): Uint8Array {
    const { codec } = this.#decoder;
    // An empty page (the dictionary of a column of nulls) is one zero byte in LZ4, which the decompressor refuses.
    if (header.uncompressed_page_size === 0) return new Uint8Array(0);
    const v2 = header.data_page_header_v2;
    if (!v2) return decompressPage(bytes, header.uncompressed_page_size, codec, compressors);
    const levelBytes = v2.repetition_levels_byte_length + v2.definition_levels_byte_length;
    if (!v2.is_compressed || codec === "UNCOMPRESSED" || levelBytes === bytes.length) return bytes;
    const size = within("page size", header.uncompressed_page_size - levelBytes, maxGroupBytes);
    const values = decompressPage(bytes.subarray(levelBytes), size, codec, compressors);
    const page = new Uint8Array(levelBytes + values.length);
    page.set(bytes.subarray(0, levelBytes));
    page.set(values, levelBytes);
    return page;
  }
}

function plainHeader(header: PageHeader, size: number): PageHeader {
  const plain = { ...header, compressed_page_size: size, uncompressed_page_size: size };
  const v2 = header.data_page_header_v2;
  return v2 ? { ...plain, data_page_header_v2: { ...v2, is_compressed: false } } : plain;
}

/** Checks every run length that decoding the page will follow: levels, dictionary indices, run-length booleans. */
function checkPageRuns(bytes: Uint8Array, header: PageHeader, { schemaPath, type }: ColumnDecoder): void {
  const { data_page_header: v1, data_page_header_v2: v2 } = header;
  const data = v1 ?? v2;
  if (!data) return;
  const numValues = data.num_values;
  const levels = [getMaxRepetitionLevel(schemaPath), getMaxDefinitionLevel(schemaPath)];
  const levelBytes = [v2?.repetition_levels_byte_length ?? 0, v2?.definition_levels_byte_length ?? 0];
  let offset = 0;
  for (const [which, maxLevel] of levels.entries()) {
    const size = v1 ? (maxLevel > 0 ? lengthAt(bytes, offset) : 0) : (levelBytes[which] ?? 0);
    if (maxLevel > 0) checkRuns(bytes, offset + (v1 ? 4 : 0), 32 - Math.clz32(maxLevel), numValues);
    offset += size + (v1 && maxLevel > 0 ? 4 : 0);
  }
  if (!data.encoding.endsWith("_DICTIONARY") && data.encoding !== "RLE") return;
  if (offset >= bytes.length) return;
  if (type === "BOOLEAN") checkRuns(bytes, offset + 4, 1, numValues);
  else checkRuns(bytes, offset + 1, within("index bits", bytes[offset] ?? NaN, 32), numValues);
}

/** Walks runs of the RLE/bit-packing hybrid up to numValues values or the end of the page. */
function checkRuns(bytes: Uint8Array, start: number, bitWidth: number, numValues: number): void {
  let seen = 0;
  for (let offset = start; seen < numValues && offset < bytes.length;) {
    let header = 0;
    let shift = 0;
    let byte = 0x80;
    for (; byte & 0x80 && shift < 35; shift += 7, offset += 1) {
      byte = bytes[offset] ?? 0;
      header += (byte & 0x7f) * 2 ** shift;
    }
    const packed = header % 2 === 1;
    const count = Math.floor(header / 2) * (packed ? 8 : 1);
    seen += within("run length", count, numValues - seen + runPadding);
    offset += packed ? (count / 8) * bitWidth : Math.ceil(bitWidth / 8);
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const lengthAt = (bytes: Uint8Array, offset: number) => within("level bytes", viewOf(bytes).getUint32(offset, true), bytes.length); // prettier-ignore

function within(what: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`${what}: expected 0 to ${max}, got ${value}`);
}
