const prefixes = [
  ["model.language_model.", "model."],
  ["model.visual.", "visual."],
] as const;

/**
 * A tensor's canonical name: the published checkpoints' (`model.layers.*`, `visual.*`, `lm_head.weight`), of that or
 * of the newer naming (`model.language_model.layers.*`, `model.visual.*`).
 */
export function canonicalName(name: string): string {
  const prefix = prefixes.find(([newer]) => name.startsWith(newer));
  return prefix ? prefix[1] + name.slice(prefix[0].length) : name;
}
