import type { Tokenizer } from "../../processor/tokenizer.ts";

/** Bytes of the longest character in UTF-8, each of which may be a token of its own. */
const maxParts = 4;
const unfinished = "\u{fffd}";

/**
 * What each token adds to the text, special tokens included. Of tokens that are parts of one character the last one has
 * it, the others have nothing.
 */
export function tokenTexts(ids: ArrayLike<number>, tokenizer: Pick<Tokenizer, "decode">): string[] {
  let parts: number[] = [];
  return Array.from(ids, (id, index) => {
    parts.push(id);
    const text = tokenizer.decode(parts, { skipSpecial: false });
    const mayGoOn = parts.length < maxParts && index + 1 < ids.length;
    if (text.endsWith(unfinished) && mayGoOn) return "";
    parts = [];
    return text;
  });
}
