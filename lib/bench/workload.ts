// The workload of a step benchmark: prompts as token ids with their pictures, in a JSON file; no tokenizer takes part.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { decodeImage } from "../data/image.ts";
import { DataError } from "../errors.ts";
import type { ImageSpec } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { numImageTokens } from "../processor/image-size.ts";
import type { ModelConfig } from "../policy/model-config.ts";
import type { Prompt } from "../types.ts";

const workloadSchema = z.object({
  prompts: z
    .array(
      z.object({
        /** [P] token ids, one image token a merged patch. */
        input_ids: z.array(z.int().min(0)).min(1),
        /** Paths relative to the file. */
        images: z.array(z.string()).default([]),
      }),
    )
    .min(1),
});

/**
 * The prompts of `{"prompts": [{"input_ids": [...], "images": ["a.png", ...]}]}` with their pictures decoded.
 * @throws {DataError} naming the file and the prompt (1-based)
 */
export async function loadWorkload(file: string, config: ModelConfig, imageSpec: ImageSpec): Promise<Prompt[]> {
  const parsed = workloadSchema.safeParse(await readJson(file));
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] ?? { path: [], message: "not a workload" };
    throw new DataError(file, undefined, `${path.join(".")}: ${message}`);
  }
  const prompts: Prompt[] = [];
  for (const [index, { input_ids: ids, images: paths }] of parsed.data.prompts.entries()) {
    const row = index + 1;
    const outside = ids.find((id) => id >= config.text.vocabSize);
    if (outside !== undefined)
      throw new DataError(file, row, `input_ids: expected ids below ${config.text.vocabSize}, got ${outside}`);
    const sources = paths.map((path) => ({ path: join(dirname(file), path) }));
    const images = [];
    for (const source of sources) {
      const { rgb, height, width } = await decodeImage(source, { file, row });
      images.push(loadNative().createImage(rgb, height, width, imageSpec));
    }
    const infos = images.map((image) => loadNative().imageInfo(image));
    const expected = infos.reduce((sum, info) => sum + numImageTokens(info, imageSpec), 0);
    const got = ids.filter((id) => id === config.imageTokenId).length;
    if (expected !== got)
      throw new DataError(file, row, `input_ids: expected ${expected} image tokens for its pictures, got ${got}`);
    prompts.push({
      example: { id: `prompt-${index}`, problem: "", answer: "", images: sources, file, row, extra: {} },
      epoch: 0,
      ids: Int32Array.from(ids),
      images,
      imageGridThw: infos.map(({ gridThw }) => gridThw),
    });
  }
  return prompts;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new DataError(file, undefined, (error as Error).message, { cause: error });
  }
}
