// Which files of a folder or a hub repository hold the rows of one split, by their names alone.
import { basename, dirname } from "node:path/posix";

const splitWords: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
  eval: "test",
  evaluation: "test",
};

/** Kinds of row files, the preferred first: a repository that has its rows twice is read once. */
const rowExtensions = [".parquet", ".jsonl", ".json"] as const;

const notRows = /^(dataset_infos?|dataset_dict|state|config|README|manifest|package.*)\.json$/;

export interface Shards {
  /** Paths relative to the folder, sorted; empty when the split is not there. */
  readonly files: readonly string[];
  /** The file names carry the split; else a `split` column may. */
  readonly named: boolean;
  /** Splits that file names carry, for messages. */
  readonly splits: readonly string[];
}

/** The usual name of a split: `val`, `dev` and `valid` are `validation`. */
export function canonicalSplit(split: string): string {
  return splitWords[split.toLowerCase()] ?? split;
}

/**
 * The files of a split: those in the folder itself, in `data/`, or in folders named after a split, whose name carries
 * the split as a word (`train.parquet`, `data/train-00000-of-00004.parquet`, `val/0.jsonl`); where no file carries it,
 * the files that carry no split word at all.
 * @param paths relative, separated by `/`
 */
export function selectShards(paths: readonly string[], split: string): Shards {
  const wanted = canonicalSplit(split);
  const rows = paths.filter((path) => isRowFile(path, wanted));
  const extension = rowExtensions.find((candidate) => rows.some((path) => path.endsWith(candidate)));
  const candidates = rows.filter((path) => extension !== undefined && path.endsWith(extension)).sort();
  const splitOf = new Map(candidates.map((path) => [path, splitInName(path, wanted)]));
  const named = candidates.filter((path) => splitOf.get(path) === wanted);
  const unnamed = candidates.filter((path) => splitOf.get(path) === undefined);
  const splits = [...new Set([...splitOf.values()].filter((found) => found !== undefined))];
  return { files: named.length > 0 ? named : unnamed, named: named.length > 0, splits };
}

/** Shards that `-00000-of-00004` names announce and that are not among `files`: an interrupted copy or download. */
export function missingShards(files: readonly string[]): string[] {
  // Hub shards may end in a hash of their own, so a shard is known by its name up to the total.
  const there = new Set<string>();
  const series = new Map<string, number>();
  for (const file of files) {
    const [shard, head, total] = /^(.*-)\d{5}-of-(\d{5})/.exec(file) ?? [];
    if (shard === undefined) continue;
    there.add(shard);
    series.set(`${head} ${total}`, Number(total));
  }
  const announced = [...series].flatMap(([name, total]) => {
    const [head, digits] = [name.slice(0, -6), name.slice(-5)];
    return Array.from({ length: total }, (_, shard) => `${head}${String(shard).padStart(5, "0")}-of-${digits}`);
  });
  return announced.filter((shard) => !there.has(shard));
}

/** The split that a file's path names, undefined when it names none. */
export function splitInName(path: string, wanted: string): string | undefined {
  for (const part of [basename(path), dirname(path)]) {
    // `testmini-00000-of-00002.parquet`: sharded files always open with their split, whatever it is called.
    const sharded = /^(.+?)-\d{5}-of-\d{5}/.exec(part)?.[1];
    if (sharded !== undefined) return canonicalSplit(sharded);
    if (part.split(/[-._/]/).includes(wanted)) return wanted;
    for (const word of part.toLowerCase().split(/[^a-z]+/))
      if (Object.hasOwn(splitWords, word)) return splitWords[word];
  }
  return undefined;
}

function isRowFile(path: string, wanted: string): boolean {
  if (!rowExtensions.some((extension) => path.endsWith(extension)) || notRows.test(basename(path))) return false;
  const folders = dirname(path) === "." ? [] : dirname(path).split("/");
  return folders.every((folder, depth) => (depth === 0 && folder === "data") || splitInName(folder, wanted));
}
