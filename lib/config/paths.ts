// Paths in settings: relative ones start from the file that holds them, or from the working folder.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { leaf, mergeAt, settingAt } from "./tree.ts";
import type { Branch } from "./tree.ts";

/** Format prompts that come with papo, by name; lib/processor/format-prompts holds them. */
export const builtInFormatPrompts: readonly string[] = ["math_perception"];

const explicitPath = /^(?:\.{1,2}(?:[/\\]|$)|[/\\]|[A-Za-z]:[/\\])/u;

function absolute(path: string, folder: string): string {
  return path.startsWith("~/") ? join(homedir(), path.slice(2)) : resolve(folder, path);
}

/** A path where it looks like one or exists; otherwise an id of the hub, as it stands. */
export function pathOrId(text: string, folder: string): string {
  const path = absolute(text, folder);
  return explicitPath.test(text) || text.startsWith("~/") || existsSync(path) ? path : text;
}

/** As pathOrId; `@split` at the end is kept, unless it is part of an existing name. */
export function dataPath(text: string, folder: string): string {
  const at = text.lastIndexOf("@");
  if (at <= 0 || existsSync(absolute(text, folder))) return dataFile(text, folder);
  return dataFile(text.slice(0, at), folder) + text.slice(at);
}

function dataFile(text: string, folder: string): string {
  return /\.(?:parquet|jsonl|json)$/u.test(text) ? absolute(text, folder) : pathOrId(text, folder);
}

const isTemplateText = (text: string) => text.includes("{{") || text.includes("{%");

type Resolver = (text: string, folder: string) => string;

const resolvers: readonly (readonly [key: string, resolver: Resolver])[] = [
  ["model.path", pathOrId],
  ["model.tokenizerPath", pathOrId],
  ["data.train", dataPath],
  ["data.val", dataPath],
  ["data.imageDir", absolute],
  ["data.formatPrompt", (text, folder) => (builtInFormatPrompts.includes(text) ? text : absolute(text, folder))],
  ["data.chatTemplate", (text, folder) => (isTemplateText(text) ? text : absolute(text, folder))],
  ["aug.saliency.model", pathOrId],
  ["aug.saliency.cache", absolute],
  ["reward.type", (text, folder) => (text === "math" || text === "function" ? text : absolute(text, folder))],
  ["trainer.outDir", absolute],
  ["trainer.prometheus.tokenFile", absolute],
];

/** The same settings with every path made absolute. */
export function resolvePaths(root: Branch): Branch {
  return resolvers.reduce((tree, [key, resolver]) => {
    const path = key.split(".");
    const setting = settingAt(tree, path);
    if (setting?.kind !== "leaf" || typeof setting.value !== "string" || setting.value === "") return tree;
    return mergeAt(tree, path, leaf(resolver(setting.value, setting.origin.folder), setting.origin));
  }, root);
}
