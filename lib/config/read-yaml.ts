// YAML (and so JSON) text to settings. Nothing of the text is run, and its size, depth and repetition are bounded.
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from "yaml";
import type { ParsedNode, YAMLMap } from "yaml";
import { ConfigError } from "../errors.ts";
import { branch, leaf, toPlain } from "./tree.ts";
import type { Branch, Origin, Setting } from "./tree.ts";

const maxFileBytes = 256 * 1024;
const maxDepth = 32;

interface Input {
  /** Name for messages. */
  readonly file: string;
  readonly folder: string;
  readonly source: Origin["source"];
  readonly lines: LineCounter;
}

function whereIs(input: Input, offset: number | undefined): string {
  if (offset === undefined) return input.file;
  const { line, col } = input.lines.linePos(offset);
  return `${input.file}:${line}:${col}`;
}

function originOf(input: Input, path: readonly string[], offset: number | undefined): Origin {
  const { folder, source } = input;
  return { where: whereIs(input, offset), key: path.join("."), folder, source };
}

function fail(input: Input, path: readonly string[], offset: number | undefined, text: string): never {
  throw new ConfigError(path.join("."), text, whereIs(input, offset));
}

function keyOf(input: Input, path: readonly string[], key: unknown): { name: string; offset: number } {
  const node = key as ParsedNode;
  const offset = node.range[0];
  const name = isScalar(node) ? node.value : undefined;
  if (typeof name !== "string" || name === "") return fail(input, path, offset, "expected a name as key");
  // The one name that an object literal treats specially.
  if (name === "__proto__") return fail(input, [...path, name], offset, "unknown key");
  return { name, offset };
}

function convertMap(input: Input, path: readonly string[], map: YAMLMap, origin: Origin): Branch {
  const entries = map.items.map((pair) => {
    const { name, offset } = keyOf(input, path, pair.key);
    const inner = [...path, name];
    return [name, convert(input, inner, pair.value as ParsedNode | null, originOf(input, inner, offset))] as const;
  });
  return branch(entries, origin);
}

function convert(input: Input, path: readonly string[], node: ParsedNode | null, origin: Origin): Setting {
  const offset = node?.range[0];
  if (path.length > maxDepth) return fail(input, path.slice(0, 3), offset, `nested deeper than ${maxDepth} levels`);
  if (isAlias(node)) return fail(input, path, offset, "YAML aliases are not supported; use extends to share settings");
  if (isMap(node)) return convertMap(input, path, node, origin);
  if (isSeq(node)) {
    const items = node.items.map((item, index) => toPlain(convert(input, [...path, String(index)], item, origin)));
    return leaf(items, origin);
  }
  return leaf(node === null ? null : node.value, origin);
}

function parse(text: string, input: Input) {
  try {
    return parseDocument(text, { lineCounter: input.lines, prettyErrors: false });
  } catch (error) {
    // Thousands of open brackets exhaust the parser's stack.
    return fail(input, [], undefined, `cannot be parsed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Settings of YAML text.
 * @param file name for messages
 * @throws {ConfigError} broken YAML, a repeated key, an alias, a tag, or a top level that is no map
 */
export function parseSettings(text: string, file: string, options: Pick<Origin, "folder" | "source">): Branch {
  const input: Input = { file, ...options, lines: new LineCounter() };
  const document = parse(text, input);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) return fail(input, [], problem.pos[0], problem.message);
  const origin = originOf(input, [], undefined);
  if (document.contents === null) return branch([], origin);
  const root = convert(input, [], document.contents, origin);
  return root.kind === "branch" ? root : fail(input, [], 0, "expected a map of settings");
}

function readText(path: string, file: string): string {
  let size: number;
  try {
    size = statSync(path).size;
    if (size <= maxFileBytes) return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(file, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new ConfigError(file, `expected a config file of at most ${maxFileBytes} bytes, got ${size}`);
}

/**
 * Settings of a YAML or JSON file.
 * @param path absolute
 * @param file name for messages
 */
export function readSettings(path: string, file: string, source: Origin["source"]): Branch {
  return parseSettings(readText(path, file), file, { folder: dirname(path), source });
}
