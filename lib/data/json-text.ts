// Strict JSON for rows that strangers wrote: valid UTF-8 only, bounded nesting, numbers also as written.
import { isUtf8 } from "node:buffer";

/** Deeper nesting than any real row has; it keeps later recursive walks (JSON.stringify) from a stack overflow. */
export const maxJsonDepth = 64;

const quote = 0x22;
const backslash = 0x5c;

/**
 * The value of a JSON text.
 * @param bytes UTF-8 without a byte order mark
 * @throws {SyntaxError} when it is not JSON, not UTF-8 or nested deeper than {@link maxJsonDepth}
 */
export function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(jsonText(bytes)) as unknown;
}

/** The text of a JSON value, checked for UTF-8 and depth but not parsed. @throws {SyntaxError} */
export function jsonText(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new SyntaxError("not valid UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (nesting(text) > maxJsonDepth) throw new SyntaxError(`nested deeper than ${maxJsonDepth} levels`);
  return text;
}

/**
 * The characters of the number that member `key` of a JSON object holds, as written; the last one where the key
 * repeats, as JSON.parse takes it. JSON.parse alone would turn 1.50 into 1.5 and 2^53 + 1 into 2^53.
 * @param text a valid JSON object
 */
export function memberNumberText(text: string, key: string): string | undefined {
  const number = /-?[0-9][0-9.eE+-]*/y;
  let found: string | undefined;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (opens(code)) depth += 1;
    else if (closes(code)) depth -= 1;
    else if (code === quote) {
      const end = stringEnd(text, at);
      const colon = /\s*:\s*/y;
      colon.lastIndex = end;
      if (depth === 1 && colon.test(text) && JSON.parse(text.slice(at, end)) === key) {
        number.lastIndex = colon.lastIndex;
        found = number.exec(text)?.[0];
      }
      at = end - 1;
    }
  }
  return found;
}

/** Deepest nesting of arrays and objects, brackets in strings aside; any text is accepted. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = stringEnd(text, at) - 1;
    else if (opens(code)) deepest = Math.max(deepest, ++depth);
    else if (closes(code)) depth -= 1;
  }
  return deepest;
}

const opens = (code: number) => code === 0x5b || code === 0x7b;
const closes = (code: number) => code === 0x5d || code === 0x7d;

/** Index after the closing quote of the string that opens at `start`; the text's length when it never closes. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === backslash) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return text.length;
}
