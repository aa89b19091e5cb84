/** The words of a run with the folder of `--out`, which is taken as it stands: `123` and `null` are names too. */
export function runWords(config: string, overrides: readonly string[], out: string | undefined): string[] {
  return [config, ...overrides, ...(out === undefined ? [] : [`trainer.outDir=${JSON.stringify(out)}`])];
}
