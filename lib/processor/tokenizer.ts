// A checkpoint's tokenizer.json: text to ids and back.
import { Tokenizer as UntypedTokenizer } from "@huggingface/tokenizers";
import { CheckpointError } from "../errors.ts";
import { readJsonObject } from "../policy/json-file.ts";

const maxTokenizerBytes = 256 * 2 ** 20;
const maxConfigBytes = 16 * 2 ** 20;

/** What is used of the library; its own types do not resolve under Node's module rules. */
interface HubTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): Map<number, { content: string; special: boolean }>;
  get_vocab(): Map<string, number>;
}
const HubTokenizer = UntypedTokenizer as unknown as new (tokenizer: object, config: object) => HubTokenizer;

/** A Unicode noncharacter, never in text: where `encode` ends one run and starts the next. */
const cutMark = "\u{fdd0}";

export class Tokenizer {
  /** Length of the longest token in UTF-16 units of its byte-level spelling; no token stands for more text. */
  readonly maxTokenLength: number;
  readonly #hub: HubTokenizer;
  readonly #dir: string;
  readonly #specialTokens: RegExp | undefined;

  private constructor(hub: HubTokenizer, dir: string) {
    this.#hub = hub;
    this.#dir = dir;
    const special = [...hub.get_added_tokens_decoder().values()].filter(
      (token) => token.special && token.content !== "",
    );
    this.#specialTokens =
      special.length === 0
        ? undefined
        : new RegExp(special.map((token) => escapeRegExp(token.content)).join("|"), "gu");
    this.maxTokenLength = [...hub.get_vocab().keys()].reduce((longest, token) => Math.max(longest, token.length), 1);
  }

  /**
   * The tokenizer of a checkpoint folder: `tokenizer.json`, and `tokenizer_config.json` where there is one.
   * @throws {CheckpointError} when the file is missing, too large or of a kind that is not known
   */
  static async load(dir: string): Promise<Tokenizer> {
    const tokenizer = await readJsonObject(dir, "tokenizer.json", maxTokenizerBytes);
    if (tokenizer === undefined) throw new CheckpointError(dir, "tokenizer.json: not there");
    const config = (await readJsonObject(dir, "tokenizer_config.json", maxConfigBytes)) ?? {};
    try {
      return new Tokenizer(new HubTokenizer(tokenizer, config), dir);
    } catch (error) {
      throw new CheckpointError(dir, `tokenizer.json: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Ids of `text`; none is put around it. Special tokens in it are read as such, except in `literal` parts. */
  encode(text: string): number[] {
    return text
      .split(cutMark)
      .flatMap((run) => (run === "" ? [] : this.#hub.encode(run, { add_special_tokens: false }).ids));
  }

  /** `text` with every special token in it spelt so that `encode` reads ordinary text: a question is no instruction. */
  literal(text: string): string {
    const plain = text.replaceAll(cutMark, "\u{fffd}");
    if (this.#specialTokens === undefined) return plain;
    return plain.replace(this.#specialTokens, (token) => token.slice(0, 1) + cutMark + token.slice(1));
  }

  /** The text of `ids`; ids that no token has (the vocabulary may be padded) are left out. */
  decode(ids: ArrayLike<number>, options: { readonly skipSpecial: boolean }): string {
    const known = Array.from(ids).filter((id) => this.#hub.id_to_token(id) !== undefined);
    if (known.length === 0) return "";
    return this.#hub.decode(known, { skip_special_tokens: options.skipSpecial, clean_up_tokenization_spaces: false });
  }

  /** Id of a token. @throws {CheckpointError} when the tokenizer has none such */
  id(token: string): number {
    const id = this.#hub.token_to_id(token);
    if (id === undefined) throw new CheckpointError(this.#dir, `tokenizer.json: no token ${JSON.stringify(token)}`);
    return id;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}
