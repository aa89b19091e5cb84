// Example -> Prompt: the question in its format prompt and chat template, as ids whose image tokens are expanded to the
// pictures' merged grids, and the decoded pictures. One prompt at a time; batching belongs to the rollout.
import { readImageHeader } from "../data/image-header.ts";
import { CheckpointError, DataError } from "../errors.ts";
import type { ImageHandle, ImageInfo, ImageSpec, Resample, SaliencyRanking } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { readModelConfig } from "../policy/model-config.ts";
import type { Example, ImageSource, Prompt } from "../types.ts";
import { numImageTokens, readImageSpec } from "./image-size.ts";
import { atRow, openImage } from "./open-image.ts";
import { ChatTemplate, imageToken, loadFormatPrompt, splitAtImages } from "./template.ts";
import type { Message } from "./template.ts";
import { Tokenizer } from "./tokenizer.ts";

/** The part of the run's `data` settings that shapes a prompt. */
export interface ProcessorSettings {
  readonly formatPrompt: string | null;
  readonly chatTemplate: string | null;
  readonly systemPrompt: string | null;
  /** In tokens, image tokens expanded. */
  readonly maxPromptLength: number;
  /** Area limits of the trainer's own resize, in pixels; 0 = none. */
  readonly minPixels: number;
  readonly maxPixels: number;
  readonly exifRotate: boolean;
  readonly resample?: Resample;
}

interface Parts {
  readonly tokenizer: Tokenizer;
  readonly imageSpec: ImageSpec;
  readonly chatTemplate: ChatTemplate;
  readonly formatPrompt: (question: string) => string;
  readonly imageTokenId: number;
  readonly settings: ProcessorSettings;
  readonly rankings?: PictureRankings;
}

/** Where the patches of pictures are ranked by saliency. */
export interface PictureRankings {
  /** @throws {DataError} at the row for a picture that has not been ranked */
  find(source: ImageSource, where: Example): Promise<SaliencyRanking>;
}

export class Processor {
  readonly tokenizer: Tokenizer;
  readonly imageSpec: ImageSpec;
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.tokenizer = parts.tokenizer;
    this.imageSpec = parts.imageSpec;
    this.#parts = parts;
  }

  /**
   * @param dir the checkpoint folder: config.json, and where `filesDir` is not given, the tokenizer's and processor's
   * @param filesDir folder of the tokenizer's and processor's files (`model.tokenizerPath`)
   * @throws {CheckpointError} naming the file that is missing or wrong, {ConfigError} for a template setting
   */
  static async load(dir: string, settings: ProcessorSettings, filesDir = dir): Promise<Processor> {
    const config = await readModelConfig(dir);
    const tokenizer = await Tokenizer.load(filesDir);
    const imageSpec = await readImageSpec(filesDir, {
      trainerMinPixels: settings.minPixels,
      trainerMaxPixels: settings.maxPixels,
      ...(settings.resample && { resample: settings.resample }),
    });
    const { vision, imageTokenId } = config;
    const wanted = [vision.patchSize, vision.temporalPatchSize, vision.spatialMergeSize].join(", ");
    const got = [imageSpec.patchSize, imageSpec.temporalPatchSize, imageSpec.mergeSize].join(", ");
    if (wanted !== got)
      throw new CheckpointError(
        filesDir,
        `preprocessor_config.json: expected the model's patch sizes ${wanted}, got ${got}`,
      );
    if (tokenizer.id(imageToken) !== imageTokenId)
      throw new CheckpointError(
        filesDir,
        `tokenizer.json: expected ${imageToken} to be the model's image_token_id ${imageTokenId}, got ${tokenizer.id(imageToken)}`,
      );
    return new Processor({
      tokenizer,
      imageSpec,
      chatTemplate: await ChatTemplate.load(filesDir, settings.chatTemplate),
      formatPrompt: await loadFormatPrompt(settings.formatPrompt),
      imageTokenId,
      settings,
    });
  }

  /** The same, its pictures with their rankings: what masks by saliency need. */
  withRankings(rankings: PictureRankings): Processor {
    return new Processor({ ...this.#parts, rankings });
  }

  /**
   * The prompt of an example; `releasePrompt` frees its pictures.
   * @param epoch the pass over the data set that it is drawn in, from 0
   * @throws {DataError} at the row: a broken picture, marks that are not one a picture, over `maxPromptLength` tokens
   */
  async prepare(example: Example, epoch = 0): Promise<Prompt> {
    const ids = this.#textIds(example);
    const images: ImageHandle[] = [];
    try {
      for (const source of example.images) images.push(await this.#openImage(example, source));
      const infos = images.map((image) => loadNative().imageInfo(image));
      this.#checkLength(example, expandedLength(ids, infos, this.imageSpec));
      return {
        example,
        epoch,
        ids: this.#expand(ids, infos),
        images,
        imageGridThw: infos.map(({ gridThw }) => gridThw),
      };
    } catch (error) {
      for (const image of images) loadNative().dispose(image);
      throw error;
    }
  }

  /**
   * Tokens of the prompt, image tokens expanded; the pictures' headers are read, not the pictures. Not held against
   * `maxPromptLength`: what is over it is the caller's to leave out.
   * @throws {DataError} at the row: a picture without a usable header, marks that are not one a picture
   */
  async promptLength(example: Example): Promise<number> {
    const infos: ImageInfo[] = [];
    for (const source of example.images) {
      const { width, height } = await readImageHeader(source, example);
      infos.push(atRow(example, () => loadNative().imagePlan(height, width, this.imageSpec)));
    }
    if (this.#isSurelyTooLong(example)) return Number.POSITIVE_INFINITY;
    return expandedLength(this.#textIds(example), infos, this.imageSpec);
  }

  /** Text of sampled ids, special tokens skipped. */
  decode(ids: ArrayLike<number>): string {
    return this.tokenizer.decode(ids, { skipSpecial: true });
  }

  /** A prompt as text for people: special tokens included, each picture as one image token. */
  promptText({ ids }: Pick<Prompt, "ids">): string {
    return this.tokenizer.decode(ids, { skipSpecial: false }).replace(/(<\|image_pad\|>)+/g, "$1");
  }

  /** Ids with one image token a picture. */
  #textIds(example: Example): number[] {
    const { tokenizer, formatPrompt, chatTemplate, settings, imageTokenId } = this.#parts;
    if (this.#isSurelyTooLong(example)) this.#checkLength(example, Number.POSITIVE_INFINITY);
    const question = rendered(example, "format prompt", () => formatPrompt(tokenizer.literal(example.problem)));
    const content = splitAtImages(question);
    const numMarks = typeof content === "string" ? 0 : content.filter(({ type }) => type === "image").length;
    if (numMarks !== example.images.length)
      throw dataError(
        example,
        `expected one <image> mark a picture, got ${numMarks} for ${example.images.length} pictures`,
      );
    const messages: Message[] = [{ role: "user", content }];
    if (settings.systemPrompt !== null) messages.unshift({ role: "system", content: settings.systemPrompt });
    const text = rendered(example, "chat template", () => chatTemplate.render(messages, { addGenerationPrompt: true }));
    const ids = tokenizer.encode(text);
    const numTokens = ids.filter((id) => id === imageTokenId).length;
    if (numTokens !== numMarks)
      throw dataError(example, `expected ${numMarks} image tokens in the rendered prompt, got ${numTokens}`);
    return ids;
  }

  /** A question so long that no tokenization fits, which spares encoding it. */
  #isSurelyTooLong(example: Example): boolean {
    const { tokenizer, settings } = this.#parts;
    return example.problem.length > settings.maxPromptLength * Math.max(tokenizer.maxTokenLength, "<image>".length);
  }

  #checkLength(example: Example, length: number): void {
    const { maxPromptLength } = this.#parts.settings;
    if (length > maxPromptLength)
      throw dataError(
        example,
        `expected a prompt of at most ${maxPromptLength} tokens (data.maxPromptLength), got ${
          Number.isFinite(length) ? length : "far more"
        }`,
      );
  }

  #expand(ids: readonly number[], infos: readonly ImageInfo[]): Int32Array {
    const out = new Int32Array(expandedLength(ids, infos, this.imageSpec));
    let [at, picture] = [0, 0];
    for (const id of ids) {
      const info = id === this.#parts.imageTokenId ? infos[picture++] : undefined;
      const end = at + (info ? numImageTokens(info, this.imageSpec) : 1);
      out.fill(id, at, end);
      at = end;
    }
    return out;
  }

  async #openImage(example: Example, source: ImageSource): Promise<ImageHandle> {
    const { settings, rankings } = this.#parts;
    const saliency = await rankings?.find(source, example);
    const { exifRotate } = settings;
    return await openImage(source, example, { imageSpec: this.imageSpec, exifRotate, ...(saliency && { saliency }) });
  }
}

/** Frees a prompt's pictures; using it afterwards throws. */
export function releasePrompt(prompt: Prompt): void {
  for (const image of prompt.images) loadNative().dispose(image);
}

function expandedLength(ids: readonly number[], infos: readonly ImageInfo[], spec: ImageSpec): number {
  return infos.reduce((length, info) => length - 1 + numImageTokens(info, spec), ids.length);
}

function rendered(example: Example, what: string, render: () => string): string {
  try {
    return render();
  } catch (error) {
    throw dataError(example, `the ${what} cannot be applied: ${(error as Error).message}`, error);
  }
}

function dataError(example: Example, text: string, cause?: unknown): DataError {
  return new DataError(example.file, example.row, text, { cause });
}
