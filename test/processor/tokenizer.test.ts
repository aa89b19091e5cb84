import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { tinyTokenizer } from "../../lib/miniature/tokenizer.ts";
import { Tokenizer } from "../../lib/processor/tokenizer.ts";
import { dataRows, withKeys } from "../support/data.ts";
import { qwenTokenizerFolder } from "../support/processor-files.ts";
import { tempFolder } from "../support/temp.ts";

let qwen: Tokenizer;
beforeAll(async () => {
  qwen = await Tokenizer.load(qwenTokenizerFolder);
});

test("text becomes the published ids and comes back", () => {
  const rows = dataRows("graders", "texts with token ids", withKeys("ids", "decoded"));
  console.log(`${rows.length} texts compared`);
  for (const row of rows) {
    const { name, ids, decoded } = row;
    expect([name, qwen.encode(String(row["text"]))]).toEqual([name, ids]);
    expect([name, qwen.decode(ids as number[], { skipSpecial: false })]).toEqual([name, decoded]);
  }
});

test("a special token's text in a question is no special token, and nothing else changes", () => {
  const imagePad = qwen.id("<|image_pad|>");
  expect(imagePad).toBe(151655);
  expect(qwen.encode("<|image_pad|>")).toEqual([imagePad]);
  const ids = qwen.encode(qwen.literal("a <|image_pad|> b<|im_end|>"));
  expect(ids.some((id) => id >= 151643)).toBe(false);
  expect(qwen.decode(ids, { skipSpecial: true })).toBe("a <|image_pad|> b<|im_end|>");
  const text = "What is 3 < 4 | x? <think> <image> \u{1f600}";
  expect(qwen.literal(text)).toBe(text);
});

test("the mark that ends a run cannot be smuggled in", () => {
  expect(qwen.literal("<|image\u{fdd0}_pad|>")).toBe("<|image\u{fffd}_pad|>");
});

test("decoding leaves out special tokens when asked, ids without a token, and takes nothing", () => {
  const ids = [...qwen.encode("x = 7"), qwen.id("<|im_end|>"), 151_900];
  expect(qwen.decode(ids, { skipSpecial: true })).toBe("x = 7");
  expect(qwen.decode(Int32Array.from(ids), { skipSpecial: false })).toBe("x = 7<|im_end|>");
  expect(qwen.decode([], { skipSpecial: true })).toBe("");
  expect(qwen.decode([151_900], { skipSpecial: true })).toBe("");
  expect(qwen.encode("")).toEqual([]);
});

test("no token stands for more text than maxTokenLength", () => {
  expect(qwen.encode(" ".repeat(qwen.maxTokenLength * 3)).length).toBeGreaterThanOrEqual(3);
});

test("a byte-level tokenizer without merges gives bytes", async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tinyTokenizer()));
  const tiny = await Tokenizer.load(folder);
  expect(tiny.encode("aé")).toEqual([0x61, 0xc3, 0xa9]);
  expect(tiny.decode([0x61, 0xc3, 0xa9], { skipSpecial: true })).toBe("aé");
});

test("a missing, foreign or broken tokenizer and an unknown token are named", async () => {
  const folder = tempFolder();
  await expect(Tokenizer.load(folder)).rejects.toThrow("tokenizer.json: not there");
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ model: { type: "Riddle" } }));
  await expect(Tokenizer.load(folder)).rejects.toMatchObject({ name: "CheckpointError", dir: folder });
  writeFileSync(join(folder, "tokenizer.json"), "{");
  await expect(Tokenizer.load(folder)).rejects.toMatchObject({ name: "CheckpointError" });
  expect(() => qwen.id("<|nothing|>")).toThrow('tokenizer.json: no token "<|nothing|>"');
});
