import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { DataError } from "../../lib/errors.ts";
import { tinyConfig } from "../../lib/miniature/model.ts";
import { tokenId } from "../../lib/miniature/tokenizer.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Processor, releasePrompt } from "../../lib/processor/processor.ts";
import type { ProcessorSettings } from "../../lib/processor/processor.ts";
import type { Example, Prompt } from "../../lib/types.ts";
import { pictureRows, withKeys } from "../support/data.ts";
import { writeQwenFiles, writeTinyFiles } from "../support/processor-files.ts";
import { tempFolder } from "../support/temp.ts";

type Size = readonly [width: number, height: number];

const settings: ProcessorSettings = {
  formatPrompt: null,
  chatTemplate: null,
  systemPrompt: null,
  maxPromptLength: 4096,
  minPixels: 0,
  maxPixels: 0,
  exifRotate: false,
};
const imagePad = tokenId("<|image_pad|>");

async function example(problem: string, sizes: readonly Size[]): Promise<Example> {
  const images = await Promise.all(
    sizes.map(async ([width, height]) => {
      const picture = sharp({ create: { width, height, channels: 3, background: "teal" } });
      return { bytes: await picture.png().toBuffer() };
    }),
  );
  return { id: "a", problem, answer: "1", images, file: "train.jsonl", row: 7, extra: {} };
}

/** A processor of the tiny model, whose chat template is `<|im_start|>...<|im_end|><|im_start|>`, one byte a token. */
function tiny(over: Partial<ProcessorSettings> = {}, files: Readonly<Record<string, object>> = {}): Promise<Processor> {
  const folder = tempFolder();
  writeTinyFiles(folder, files);
  return Processor.load(folder, { ...settings, ...over });
}

const count = (prompt: Prompt, id: number) => prompt.ids.reduce((sum, other) => sum + Number(other === id), 0);

describe("prepare", () => {
  test("each mark becomes its picture's merged grid, in order", async () => {
    const processor = await tiny();
    const row = await example("a<image>b<image>", [
      [84, 56], // grid 4 x 6: 6 tokens
      [112, 112], // grid 8 x 8: 16 tokens
    ]);
    const prompt = await processor.prepare(row);
    expect(prompt.imageGridThw).toEqual([
      [1, 4, 6],
      [1, 8, 8],
    ]);
    const [start, end] = [tokenId("<|vision_start|>"), tokenId("<|vision_end|>")];
    const picture = (tokens: number) => [start, ...Array.from({ length: tokens }, () => imagePad), end];
    const turn = tokenId("<|im_start|>");
    expect(Array.from(prompt.ids)).toEqual(
      [turn, 0x61, picture(6), 0x62, picture(16), tokenId("<|im_end|>"), turn].flat(),
    );
    expect(prompt.images.map((image) => loadNative().imageInfo(image).width)).toEqual([84, 112]);
    releasePrompt(prompt);
    for (const image of prompt.images) expect(() => loadNative().imageInfo(image)).toThrow("disposed");
  });

  test("a text-only row has no pictures", async () => {
    const processor = await tiny();
    const prompt = await processor.prepare(await example("2 + 2?", []));
    expect(prompt.images).toEqual([]);
    expect(processor.decode(prompt.ids)).toBe("2 + 2?");
  });

  test("format prompt and system prompt surround the question", async () => {
    const processor = await tiny({ formatPrompt: "math_perception", systemPrompt: "Be brief." });
    const prompt = await processor.prepare(await example("<image>Count.", [[56, 56]]));
    expect(processor.decode(prompt.ids)).toMatch(/^Be brief\.Count\.\n\nYou first think .* \\boxed\{\}\.$/u);
    releasePrompt(prompt);
  });

  test("special tokens' text in a question is read as text", async () => {
    const processor = await tiny();
    const prompt = await processor.prepare(await example("<image> Is <|image_pad|> or <|im_end|> here?", [[56, 56]]));
    expect(count(prompt, imagePad)).toBe(4);
    expect(count(prompt, tokenId("<|im_end|>"))).toBe(1);
    expect(processor.decode(prompt.ids)).toBe(" Is <|image_pad|> or <|im_end|> here?");
    releasePrompt(prompt);
  });

  test("the trainer's limits act before the processor's", async () => {
    // 1000 x 500 at most 200,000 px: 632 x 316, then 644 x 308: grid 22 x 46
    const processor = await tiny({ maxPixels: 200_000 });
    const prompt = await processor.prepare(await example("<image>", [[1000, 500]]));
    expect(prompt.imageGridThw).toEqual([[1, 22, 46]]);
    releasePrompt(prompt);
  });

  test.each<[string, readonly Size[], string]>([
    ["<image><image>", [[56, 56]], "expected one <image> mark a picture, got 2 for 1 pictures"],
    ["no mark", [[56, 56]], "expected one <image> mark a picture, got 0 for 1 pictures"],
    ["<image>", [], "expected one <image> mark a picture, got 1 for 0 pictures"],
    ["<image>", [[402, 2]], "expected an aspect ratio of at most 200, got 402 x 2 px"],
  ])("%j with pictures %j is a DataError at its row, prepared or measured", async (problem, sizes, text) => {
    const processor = await tiny();
    const row = await example(problem, sizes);
    for (const run of [() => processor.prepare(row), () => processor.promptLength(row)]) {
      const error: unknown = await run().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DataError);
      expect(String(error)).toContain("train.jsonl:7: ");
      expect(String(error)).toContain(text);
    }
  });

  test("a prompt over the limit says how long it is", async () => {
    // turn, vision start, 16 image tokens, vision end, end of turn, turn = 21
    const processor = await tiny({ maxPromptLength: 20 });
    const row = await example("<image>", [[112, 112]]);
    expect(await processor.promptLength(row)).toBe(21);
    await expect(processor.prepare(row)).rejects.toThrow(
      "train.jsonl:7: expected a prompt of at most 20 tokens (data.maxPromptLength), got 21",
    );
  });

  test("a hopelessly long question is refused without being encoded", async () => {
    const processor = await tiny();
    const endless = await example("x".repeat(50_000_000), []);
    expect(await processor.promptLength(endless)).toBe(Number.POSITIVE_INFINITY);
    await expect(processor.prepare(endless)).rejects.toThrow("got far more");
  });

  test("a broken second picture is named", async () => {
    const processor = await tiny();
    const row = await example("<image><image>", [[56, 56]]);
    const broken = { ...row, images: [...row.images, { bytes: Buffer.from("hello") }] };
    await expect(processor.prepare(broken)).rejects.toThrow("train.jsonl:7: embedded picture: not a PNG");
  });

  test("a template that raises for a row is a DataError at that row", async () => {
    const picky =
      "{% for m in messages %}{% if m.content is string %}{{ raise_exception('pictures only') }}{% else %}" +
      "{% for c in m.content %}{% if c.type == 'image' %}<|image_pad|>{% else %}{{ c.text }}{% endif %}{% endfor %}" +
      "{% endif %}{% endfor %}";
    const processor = await tiny({ chatTemplate: picky });
    await expect(processor.prepare(await example("text", []))).rejects.toThrow(
      "train.jsonl:7: the chat template cannot be applied: pictures only",
    );
  });

  test("a chat template that repeats the picture is a DataError, not a shifted prompt", async () => {
    const twice =
      "{% for m in messages %}{% if m.content is string %}<|image_pad|>{% else %}{% for c in m.content %}" +
      "{% if c.type == 'image' %}<|image_pad|>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}";
    const processor = await tiny({ chatTemplate: twice });
    await expect(processor.prepare(await example("text", []))).rejects.toThrow(
      "expected 0 image tokens in the rendered prompt, got 1",
    );
  });
});

test.each<Size>([
  [1, 1],
  [7, 37],
  [37, 111],
  [111, 640],
  [1000, 500],
])("the length from the header of a %i x %i picture is the length of its prompt", async (width, height) => {
  const processor = await tiny();
  const row = await example("How <image>?", [[width, height]]);
  const prompt = await processor.prepare(row);
  expect(await processor.promptLength(row)).toBe(prompt.ids.length);
  releasePrompt(prompt);
});

test("with Qwen's tokenizer the prompt is Qwen's, special tokens and all", async () => {
  const folder = tempFolder();
  writeQwenFiles(folder);
  const processor = await Processor.load(folder, settings);
  const prompt = await processor.prepare(await example("<image>What is <|image_pad|>?", [[56, 56]]));
  expect(processor.tokenizer.decode(prompt.ids, { skipSpecial: false })).toBe(
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>" +
      "<|image_pad|>".repeat(4) +
      "<|vision_end|>What is <|image_pad|>?<|im_end|>\n<|im_start|>assistant\n",
  );
  expect(count(prompt, 151655)).toBe(4);
  // system 8948, user 872, assistant 77091 as every published Qwen2.5 has them
  expect(Array.from(prompt.ids.subarray(0, 3))).toEqual([151644, 8948, 198]);
  expect(Array.from(prompt.ids.subarray(-3))).toEqual([151644, 77091, 198]);
  releasePrompt(prompt);
});

test("real pictures become as many image tokens as transformers counts", async () => {
  for (const { row, path } of pictureRows("vision", "pictures with token counts", withKeys("image_tokens"))) {
    const limits = { min_pixels: row["min_pixels"], max_pixels: row["max_pixels"] };
    const processor = await tiny({ maxPromptLength: 100_000 }, { "preprocessor_config.json": limits });
    const real = { ...(await example("<image>", [])), images: [{ path }] };
    const prompt = await processor.prepare(real);
    expect([path, count(prompt, imagePad)]).toEqual([path, row["image_tokens"]]);
    expect(await processor.promptLength(real)).toBe(prompt.ids.length);
    releasePrompt(prompt);
  }
});

describe("checkpoint files", () => {
  test("patch sizes that are not the model's are refused", async () => {
    await expect(tiny({}, { "preprocessor_config.json": { patch_size: 16 } })).rejects.toThrow(
      "preprocessor_config.json: expected the model's patch sizes 14, 2, 2, got 16, 2, 2",
    );
  });

  test("an image token that is not the model's is refused", async () => {
    await expect(tiny({}, { "config.json": { ...tinyConfig(), image_token_id: 5 } })).rejects.toThrow(
      `tokenizer.json: expected <|image_pad|> to be the model's image_token_id 5, got ${imagePad}`,
    );
  });

  test("the tokenizer's files may be in another folder than the model's", async () => {
    const [model, files] = [tempFolder(), tempFolder()];
    writeTinyFiles(model);
    writeTinyFiles(files, { "preprocessor_config.json": { max_pixels: 5000 } });
    const processor = await Processor.load(model, settings, files);
    expect(processor.imageSpec.maxPixels).toBe(5000);
  });
});
