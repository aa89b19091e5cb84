import { randomBytes } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { childRunner } from "./child.ts";
import { tempFolder } from "./temp.ts";

const script = `
  import { openDataset } from "./lib/data/dataset.js";
  import { selectRows } from "./lib/data/select.js";
  gc();
  const before = process.memoryUsage().rss;
  const dataset = await selectRows(await openDataset(process.argv[2], { cacheBytes: 16e6 }));
  for (let read = 0; read < Number(process.argv[3]); read += 1) await dataset.read((read * 7919) % dataset.length);
  gc();
  console.log(JSON.stringify({ length: dataset.length, grown: process.memoryUsage().rss - before }));
`;

test("200,000 rows of 1 KB are opened, selected and read in memory that does not hold them", async () => {
  const file = join(tempFolder(), "rows.jsonl");
  const filler = "x".repeat(900);
  for (let block = 0; block < 100; block += 1) {
    const rows = Array.from({ length: 2000 }, (_, row) => ({
      id: `${block}-${row}`,
      problem: "p",
      answer: "1",
      filler,
    }));
    appendFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
  const { status, stdout, stderr } = await childRunner()(script, [file, "2000"]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const { length, grown } = JSON.parse(stdout) as { length: number; grown: number };
  console.log(`200,000 rows, 190 MB: resident memory grew by ${(grown / 1e6).toFixed(0)} MB`);
  expect(length).toBe(200_000);
  // The index is 16 + 5 bytes a row (4 MB); the rest is the heap's slack. The rows would be 190 MB.
  expect(grown).toBeLessThan(110e6);
});

test("200 MB of parquet with embedded bytes are read through a cache of 16 MB", async () => {
  const folder = tempFolder();
  for (let shard = 0; shard < 8; shard += 1) {
    const rows = Array.from({ length: 500 }, (_, row) => `${shard}-${row}`);
    const columnData = [
      { name: "problem", data: rows, type: "STRING" as const },
      { name: "answer", data: rows, type: "STRING" as const },
      { name: "picture", data: rows.map(() => randomBytes(50_000)), type: "BYTE_ARRAY" as const },
    ];
    const bytes = parquetWriteBuffer({ columnData, rowGroupSize: 50, codec: "UNCOMPRESSED", statistics: false });
    writeFileSync(join(folder, `train-${shard}.parquet`), new Uint8Array(bytes));
  }
  const { status, stdout, stderr } = await childRunner()(script, [folder, "200"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { length, grown } = JSON.parse(stdout) as { length: number; grown: number };
  console.log(`4,000 rows, 200 MB of parquet: resident memory grew by ${(grown / 1e6).toFixed(0)} MB`);
  expect(length).toBe(4000);
  expect(grown).toBeLessThan(140e6);
});
