// Colours of a token by its KL_prcp: one scale for every page that shows it.

/** Lower edges of the colours 1 to 6, nats; what is below the first has none. */
export const klEdges = [0.01, 0.03, 0.1, 0.3, 1, 3] as const;

/** 0 to 6. */
export function klLevel(kl: number): number {
  return klEdges.filter((edge) => kl >= edge).length;
}
