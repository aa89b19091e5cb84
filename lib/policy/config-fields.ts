import { CheckpointError } from "../errors.ts";
import { isJsonObject } from "./json-file.ts";
import type { JsonObject } from "./json-file.ts";

/** Inclusive range of an accepted number. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Checked access to the fields of a checkpoint's JSON file. Every field is looked up in several places in order, because the hub
 * has the same field at several levels and under several names; null counts as absent.
 */
export class ConfigFields {
  readonly #dir: string;
  readonly #file: string;
  readonly #root: JsonObject;

  /** `dir` and `file` are for messages. */
  constructor(dir: string, file: string, root: JsonObject) {
    this.#dir = dir;
    this.#file = file;
    this.#root = root;
  }

  /** The value at the first of the dotted `paths` that is set, with that path. */
  find(paths: readonly string[]): { path: string; value: unknown } | undefined {
    for (const path of paths) {
      const value = path
        .split(".")
        .reduce<unknown>(
          (parent, key) => (isJsonObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined),
          this.#root,
        );
      if (value !== undefined && value !== null) return { path, value };
    }
    return undefined;
  }

  /** @throws {CheckpointError} when absent without a fallback, not an integer or out of range */
  integer(paths: readonly string[], range: Range, fallback?: number): number {
    const found = this.#need(paths, fallback);
    return this.#checkInteger(found.path, found.value, range);
  }

  /** @throws {CheckpointError} when absent without a fallback, not a finite number or out of range */
  number(paths: readonly string[], range: Range, fallback?: number): number {
    const { path, value } = this.#need(paths, fallback);
    if (typeof value === "number" && value >= range.min && value <= range.max) return value;
    return this.fail(path, `expected a number from ${range.min} to ${range.max}`, value);
  }

  /** @throws {CheckpointError} when it is neither absent nor a boolean */
  boolean(paths: readonly string[], fallback: boolean): boolean {
    const { path, value } = this.#need(paths, fallback);
    return typeof value === "boolean" ? value : this.fail(path, "expected true or false", value);
  }

  /** @throws {CheckpointError} when absent without a fallback, or when any item breaks the range */
  integers(paths: readonly string[], range: Range, fallback?: readonly number[]): number[] {
    const { path, value } = this.#need(paths, fallback);
    if (!Array.isArray(value)) return this.fail(path, "expected a list of integers", value);
    return value.map((item: unknown, index) => this.#checkInteger(`${path}[${index}]`, item, range));
  }

  /**
   * The value when it is one of `allowed`.
   * @throws {CheckpointError} when it is set and is none of them
   */
  oneOf<Value extends string>(paths: readonly string[], allowed: readonly Value[], fallback: Value): Value {
    const { path, value } = this.#need(paths, fallback);
    return (
      allowed.find((item) => item === value) ?? this.fail(path, `papo supports only ${allowed.join(", ")} here`, value)
    );
  }

  fail(path: string, rule: string, value: unknown): never {
    throw new CheckpointError(this.#dir, `${this.#file}: ${path}: ${rule}, got ${shown(value)}`);
  }

  #need(paths: readonly string[], fallback: unknown): { path: string; value: unknown } {
    const found = this.find(paths);
    if (found) return found;
    const path = paths[0] ?? "";
    if (fallback !== undefined) return { path, value: fallback };
    throw new CheckpointError(this.#dir, `${this.#file}: ${path}: missing`);
  }

  #checkInteger(path: string, value: unknown, range: Range): number {
    if (Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max) {
      return value as number;
    }
    return this.fail(path, `expected an integer from ${range.min} to ${range.max}`, value);
  }
}

function shown(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
