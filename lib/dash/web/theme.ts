// Colours, which the style sheet has for light and dark.

/** Of the n-th run or metric; they come again after eight. */
export function seriesColour(index: number): string {
  return colour(`--series-${index % 8}`);
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function onThemeChange(listen: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listen);
}
