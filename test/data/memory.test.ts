import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { childRunner } from "./child.ts";
import { tempFolder } from "./temp.ts";

const script = `
  import { openDataset } from "./lib/data/dataset.js";
  import { selectRows } from "./lib/data/select.js";
  gc();
  const before = process.memoryUsage().rss;
  const dataset = await selectRows(await openDataset(process.argv[2]));
  for (let read = 0; read < 2000; read += 1) await dataset.read((read * 7919) % dataset.length);
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
  const { status, stdout, stderr } = await childRunner()(script, [file]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const { length, grown } = JSON.parse(stdout) as { length: number; grown: number };
  console.log(`200,000 rows, 190 MB: resident memory grew by ${(grown / 1e6).toFixed(0)} MB`);
  expect(length).toBe(200_000);
  // The index is 16 + 5 bytes a row (4 MB); the rest is the heap's slack. The rows would be 190 MB.
  expect(grown).toBeLessThan(110e6);
});
