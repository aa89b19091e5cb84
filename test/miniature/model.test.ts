import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import * as tokenizers from "@huggingface/tokenizers";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { miniatureItems } from "../../lib/miniature/dataset.ts";
import { tinyConfig, tinySafetensors, tinyWeights, writeTinyModel } from "../../lib/miniature/model.ts";
import { goldResponse } from "../../lib/miniature/questions.ts";
import { makeScene, renderScene } from "../../lib/miniature/scene.ts";
import { loadSheet } from "../../lib/miniature/sheet.ts";
import { tinyTokenizer, tinyTokenizerConfig, tinyVocabularySize } from "../../lib/miniature/tokenizer.ts";

/** The package's types do not resolve under NodeNext: its imports have no extensions. */
interface HubTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: readonly number[], options?: { skip_special_tokens: boolean }): string;
}
const { Tokenizer } = tokenizers as unknown as {
  Tokenizer: new (tokenizer: Record<string, unknown>, config: Record<string, unknown>) => HubTokenizer;
};
const tokenizer = new Tokenizer(tinyTokenizer(), tinyTokenizerConfig());
let dir = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "papo-tiny-"));
  await writeTinyModel(dir, 1);
});

afterAll(() => rm(dir, { recursive: true }));

async function json(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(dir, name), "utf8")) as Record<string, unknown>;
}

const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;

test("any unicode text is encoded to its UTF-8 bytes and decoded to itself", () => {
  // Lone surrogates have no UTF-8, so they are left out.
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 60 }), (text) => {
      expect(encode(text)).toEqual([...new TextEncoder().encode(text)]);
      expect(tokenizer.decode(encode(text))).toBe(text);
    }),
  );
});

test("each of the 256 bytes has its own token", () => {
  const { model } = tinyTokenizer() as { model: { vocab: Record<string, number> } };
  expect(Object.values(model.vocab).sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  // U+0000 to U+07FF take every lead byte up to 0xDF and every continuation byte; the rest lead longer characters.
  for (const text of [
    "\u0000",
    "\u007f",
    "\u0080",
    "\u07ff",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
    "\u{1f600}é ß\n\t",
  ]) {
    expect(tokenizer.decode(encode(text))).toBe(text);
  }
});

test("special tokens are one id each and vanish when decoding without them; think tags and box stay", () => {
  const ids = encode("<|im_start|><think>3</think>\\boxed{3}<|im_end|>");
  expect(ids).toEqual([257, 263, 51, 264, 265, 51, 125, 258]);
  expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe("<think>3</think>\\boxed{3}");
});

test("every token id is below the vocabulary size", () => {
  const { added_tokens: added } = tinyTokenizer() as { added_tokens: { id: number }[] };
  expect(added.map((token) => token.id)).toEqual([256, 257, 258, 259, 260, 261, 262, 263, 264, 265]);
  expect(tinyVocabularySize).toBeGreaterThan(265);
});

test("the chat template renders pictures, text parts and plain strings", () => {
  const template = new Template(String(tinyTokenizerConfig().chat_template));
  const content = [{ type: "image" }, { type: "text", text: "Row 1?" }];
  expect(template.render({ messages: [{ role: "user", content }], add_generation_prompt: true })).toBe(
    "<|im_start|><|vision_start|><|image_pad|><|vision_end|>Row 1?<|im_end|><|im_start|>",
  );
  const messages = [
    { role: "user", content: [{ type: "video" }] },
    { role: "assistant", content: "7" },
  ];
  expect(template.render({ messages, add_generation_prompt: false })).toBe(
    "<|im_start|><|vision_start|><|video_pad|><|vision_end|><|im_end|><|im_start|>7<|im_end|>",
  );
});

test("the checkpoint folder has every file, and config and tokenizer name the same ids", async () => {
  expect((await readdir(dir)).sort()).toEqual([
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const config = await json("config.json");
  const ids = {
    image_token_id: "<|image_pad|>",
    video_token_id: "<|video_pad|>",
    vision_start_token_id: "<|vision_start|>",
    vision_end_token_id: "<|vision_end|>",
    eos_token_id: "<|im_end|>",
  };
  for (const [key, token] of Object.entries(ids)) expect(encode(token)).toEqual([config[key]]);
  expect(config.vocab_size).toBe(tinyVocabularySize);
});

test("sizes in the config fit together", () => {
  const config = tinyConfig() as {
    hidden_size: number;
    num_attention_heads: number;
    rope_scaling: { mrope_section: number[] };
    vision_config: { hidden_size: number; num_heads: number; out_hidden_size: number };
  };
  const headSize = config.hidden_size / config.num_attention_heads;
  expect(config.rope_scaling.mrope_section.reduce((a, b) => a + b)).toBe(headSize / 2);
  // Two axes of rotary pairs: a quarter of the head each.
  expect((config.vision_config.hidden_size / config.vision_config.num_heads) % 4).toBe(0);
  expect(config.vision_config.out_hidden_size).toBe(config.hidden_size);
});

test("a grid's cell is one image token: 28 px = 2 patches of 14, and min_pixels enlarges no grid", async () => {
  const picture = await json("preprocessor_config.json");
  const { patch_size: patch, merge_size: merge, min_pixels: minPixels, max_pixels: maxPixels } = picture;
  const tokenPixels = Number(patch) * Number(merge);
  const sheet = await loadSheet();
  for (const [rows, columns] of [
    [1, 1],
    [1, 7],
    [3, 3],
    [9, 9],
  ] as const) {
    const scene = makeScene({ split: "sft", seed: 1, rows, columns }, 0);
    const pixels = renderScene(scene, sheet).length / 3;
    expect(pixels).toBeGreaterThanOrEqual(Number(minPixels));
    expect(pixels).toBeLessThanOrEqual(Number(maxPixels));
    expect(pixels / tokenPixels ** 2).toBe(rows * columns);
  }
});

test("the safetensors file holds every weight once, contiguous, with the hub's names and shapes", async () => {
  const file = await readFile(join(dir, "model.safetensors"));
  const headerSize = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString("utf8", 8, 8 + headerSize)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  let end = 0;
  for (const { name, shape } of tinyWeights()) {
    const size = 4 * shape.reduce((a, b) => a * b);
    expect(header[name]).toEqual({ dtype: "F32", shape, data_offsets: [end, end + size] });
    end += size;
  }
  expect(file.length).toBe(8 + headerSize + end);
  expect(headerSize % 8).toBe(0);
  // 4 layers of 12 weights, 4 blocks of 12, merger 5, patch embedding, token embedding, last norm
  expect(Object.keys(header).length).toBe(1 + 4 * 12 + 4 * 12 + 5 + 3);
  expect(end / 4).toBe(1_506_400);
});

test("weights start as told: standard deviation, ones and zeros", async () => {
  const file = await readFile(join(dir, "model.safetensors"));
  let at = 8 + Number(file.readBigUInt64LE());
  for (const { name, shape, std, fill } of tinyWeights()) {
    const size = shape.reduce((a, b) => a * b);
    let [sum, squares] = [0, 0];
    for (const stop = at + 4 * size; at < stop; at += 4) {
      const value = file.readFloatLE(at);
      sum += value;
      squares += value * value;
    }
    const mean = sum / size;
    // The smallest drawn weight has 8,192 numbers: its mean within 5 / sqrt(8192) = 0.055 std, its std within 4 %.
    expect(Math.abs(mean - fill), name).toBeLessThanOrEqual(0.055 * std);
    expect(Math.sqrt(squares / size - mean * mean), name).toSatisfy(
      (seen: number) => Math.abs(seen - std) <= 0.04 * std + 1e-9,
    );
  }
});

test("the seed decides the weights", async () => {
  const written = await readFile(join(dir, "model.safetensors"));
  expect(Buffer.compare(written, tinySafetensors(1))).toBe(0);
  expect(Buffer.compare(written, tinySafetensors(2))).not.toBe(0);
});

test("prompts and gold responses of the 3 x 3 world stay short", () => {
  for (const { question } of miniatureItems({ split: "rl", seed: 1, count: 500 })) {
    expect(encode(goldResponse(question)).length + 1).toBeLessThanOrEqual(28);
    expect(encode(question.text).length + 14).toBeLessThanOrEqual(50);
  }
});
