// Jinja templates: the format prompt around a question, and the chat template around a message.
import { readFile, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { CheckpointError, ConfigError } from "../errors.ts";
import { isJsonObject, readJsonObject } from "../policy/json-file.ts";
import { BoundedTemplate } from "./bounded-template.ts";

const maxTemplateBytes = 2 ** 20;
const maxConfigBytes = 16 * 2 ** 20;
/** What every Qwen2.5-VL chat template writes for a picture. */
export const imageToken = "<|image_pad|>";

export type ContentItem = { readonly type: "image" } | { readonly type: "text"; readonly text: string };

export interface Message {
  readonly role: "system" | "user" | "assistant";
  /** Plain text, or text and pictures in order. */
  readonly content: string | readonly ContentItem[];
}

/**
 * The question in its format prompt: the file is stripped, then rendered with `content` = the question.
 * @param setting `data.formatPrompt`: null (the bare question), a built-in's name or a jinja file
 * @throws {ConfigError} when the file is missing, too large or no template
 */
export async function loadFormatPrompt(setting: string | null): Promise<(question: string) => string> {
  if (setting === null) return (question) => question;
  const path = isAbsolute(setting) ? setting : join(import.meta.dirname, "format-prompts", `${setting}.jinja`);
  const template = await parseFile(path, "data.formatPrompt");
  return (question) => template.render({ content: question });
}

/**
 * A rendered question cut at its `<image>` marks: a text as it is where there are none, else pictures and the
 * non-empty texts between them.
 */
export function splitAtImages(text: string): string | ContentItem[] {
  const pieces = text.split("<image>");
  if (pieces.length === 1) return text;
  return pieces.flatMap((piece, index): ContentItem[] => [
    ...(index === 0 ? [] : [{ type: "image" } as const]),
    ...(piece === "" ? [] : [{ type: "text", text: piece } as const]),
  ]);
}

export class ChatTemplate {
  readonly #template: BoundedTemplate;
  readonly #variables: Record<string, unknown>;

  private constructor(template: BoundedTemplate, variables: Record<string, unknown> = {}) {
    this.#template = template;
    this.#variables = variables;
  }

  /**
   * The chat template of a run: `setting` where it is given, else the checkpoint's own (`chat_template.jinja`,
   * `chat_template.json`, `tokenizer_config.json`, the first that knows pictures), else Qwen2.5-VL's.
   * @param setting `data.chatTemplate`: null, a jinja file, or the text itself where it holds `{{` or `{%`
   * @throws {ConfigError} for the setting, {CheckpointError} for the checkpoint: unreadable, or blind to pictures
   */
  static async load(dir: string, setting: string | null = null): Promise<ChatTemplate> {
    if (setting !== null) {
      const isText = setting.includes("{{") || setting.includes("{%");
      const chat = new ChatTemplate(
        isText ? parse(setting, "data.chatTemplate") : await parseFile(setting, "data.chatTemplate"),
      );
      if (!chat.#knowsPictures()) throw new ConfigError("data.chatTemplate", blindText);
      return chat;
    }
    const found = await checkpointTemplates(dir);
    for (const { file, text, variables } of found) {
      const chat = new ChatTemplate(parseOf(dir, file, text), variables);
      if (chat.#knowsPictures()) return chat;
    }
    if (found.length > 0)
      throw new CheckpointError(
        dir,
        `${found.map(({ file }) => file).join(", ")}: ${blindText}; data.chatTemplate may name another`,
      );
    const builtIn = join(import.meta.dirname, "templates", "qwen2_5_vl.jinja");
    return new ChatTemplate(await parseFile(builtIn, "data.chatTemplate"));
  }

  /**
   * The messages as one text.
   * @throws {TypeError} for content that is neither text nor a list of texts and pictures: a template would print it
   * @throws {Error} when the template raises or takes too long
   */
  render(messages: readonly Message[], options: { readonly addGenerationPrompt: boolean }): string {
    for (const message of messages) checkContent(message.content);
    return this.#template.render({
      ...this.#variables,
      messages,
      add_generation_prompt: options.addGenerationPrompt,
    });
  }

  /** A template for text alone prints a list of items as JSON, without an error. */
  #knowsPictures(): boolean {
    const probe: Message[] = [{ role: "user", content: [{ type: "image" }, { type: "text", text: "probe" }] }];
    try {
      const text = this.render(probe, { addGenerationPrompt: true });
      return text.split(imageToken).length === 2 && text.includes("probe") && !text.includes('"probe"');
    } catch {
      return false;
    }
  }
}

const blindText = `expected a chat template that writes ${imageToken} for a picture`;

interface FoundTemplate {
  readonly file: string;
  readonly text: string;
  readonly variables: Record<string, unknown>;
}

async function checkpointTemplates(dir: string): Promise<FoundTemplate[]> {
  const config = (await readJsonObject(dir, "tokenizer_config.json", maxConfigBytes)) ?? {};
  const variables = Object.fromEntries(
    ["bos_token", "eos_token", "pad_token"].flatMap((key) => {
      const token = config[key];
      const text = isJsonObject(token) ? token.content : token;
      return typeof text === "string" ? [[key, text]] : [];
    }),
  );
  const file = await readTemplate(join(dir, "chat_template.jinja")).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CheckpointError(dir, `chat_template.jinja: ${(error as Error).message}`, { cause: error });
  });
  const json = await readJsonObject(dir, "chat_template.json", maxConfigBytes);
  return [
    { file: "chat_template.jinja", text: file },
    { file: "chat_template.json", text: json?.chat_template },
    { file: "tokenizer_config.json", text: defaultOf(config.chat_template) },
  ].flatMap(({ file: name, text }) => (typeof text === "string" ? [{ file: name, text, variables }] : []));
}

/** Several templates are a list of {name, template}. */
function defaultOf(templates: unknown): unknown {
  if (!Array.isArray(templates)) return templates;
  const named = templates.filter(isJsonObject);
  return (named.find(({ name }) => name === "default") ?? named[0])?.template;
}

function checkContent(content: unknown): void {
  if (typeof content === "string") return;
  const items: readonly unknown[] = Array.isArray(content) ? content : [content];
  for (const item of items) {
    if (isJsonObject(item) && (item.type === "image" || (item.type === "text" && typeof item.text === "string")))
      continue;
    throw new TypeError(`[chatTemplate] expected a text or a list of texts and pictures, got ${JSON.stringify(item)}`);
  }
}

async function readTemplate(path: string): Promise<string> {
  const status = await stat(path);
  if (!status.isFile()) throw new TypeError("expected a file");
  const { size } = status;
  if (size > maxTemplateBytes) throw new RangeError(`expected at most ${maxTemplateBytes} bytes, got ${size}`);
  return await readFile(path, "utf8");
}

async function parseFile(path: string, key: string): Promise<BoundedTemplate> {
  const text = await readTemplate(path).catch((error: unknown) => {
    throw new ConfigError(key, `${path} cannot be read: ${(error as Error).message}`);
  });
  return parse(text.trim(), key);
}

function parse(text: string, key: string): BoundedTemplate {
  try {
    return new BoundedTemplate(text);
  } catch (error) {
    throw new ConfigError(key, `not a jinja template: ${(error as Error).message}`);
  }
}

function parseOf(dir: string, file: string, text: string): BoundedTemplate {
  try {
    return new BoundedTemplate(text);
  } catch (error) {
    throw new CheckpointError(dir, `${file}: not a jinja template: ${(error as Error).message}`, { cause: error });
  }
}
