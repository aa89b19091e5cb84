// The tiny model's tokenizer.json: byte-level BPE without merges, so that a token is a byte, plus a few whole tokens.

/** Tokens 256 and up, in order. The last three are ordinary text that every response needs, as one token each. */
const specialTokens = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|image_pad|>",
  "<|video_pad|>",
] as const;
const wholeTokens = ["<think>", "</think>", "\\boxed{"] as const;

/** Rows of the embedding: 256 bytes and 10 tokens, rounded up to a multiple of 16. */
export const tinyVocabularySize = 272;

/** Id of a special token. */
export function tokenId(token: (typeof specialTokens)[number]): number {
  return 256 + specialTokens.indexOf(token);
}

/**
 * The printable character that stands for a byte in a byte-level vocabulary (the GPT-2 rule): printable Latin-1 for
 * itself, the other bytes in order from U+0100.
 */
function byteCharacters(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/** Content of tokenizer.json: token b is the byte b. */
export function tinyTokenizer(): Record<string, unknown> {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...specialTokens, ...wholeTokens].map((content, index) => ({
      id: 256 + index,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: index < specialTokens.length,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(byteCharacters().map((character, byte) => [character, byte])),
      merges: [],
    },
  };
}

/** One turn is `<|im_start|>...<|im_end|>`, without role names and system prompt: a prompt's every byte is a token. */
export const tinyChatTemplate =
  "{% for message in messages %}<|im_start|>{% if message['content'] is string %}{{ message['content'] }}" +
  "{% else %}{% for content in message['content'] %}" +
  "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>" +
  "{% elif content['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>" +
  "{% else %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>{% endif %}";

/** Content of tokenizer_config.json. */
export function tinyTokenizerConfig(): Record<string, unknown> {
  return {
    tokenizer_class: "Qwen2Tokenizer",
    processor_class: "Qwen2_5_VLProcessor",
    add_bos_token: false,
    add_prefix_space: false,
    bos_token: null,
    eos_token: "<|im_end|>",
    pad_token: "<|endoftext|>",
    unk_token: null,
    model_max_length: 1024,
    clean_up_tokenization_spaces: false,
    split_special_tokens: false,
    chat_template: tinyChatTemplate,
  };
}
