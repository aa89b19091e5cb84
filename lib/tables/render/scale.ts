// Axes: round ticks around data, and data to pixels.

export interface Scale {
  /** Data at both ends of the axis. */
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** Digits after the point that tell the ticks apart. */
  readonly digits: number;
  /** Pixel of a value. */
  at(value: number): number;
}

/** Keeps a value that is a tick but for rounding at that tick. */
const slack = 1e-9;

/**
 * An axis over the values with about five ticks of 1, 2 or 5 times a power of ten.
 * @param values finite, at least one
 * @param pixels of both ends of the axis
 * @param end the axis ends at ticks beyond the values, or at the values
 */
export function linearScale(
  values: readonly number[],
  pixels: readonly [number, number],
  end: "ticks" | "values",
): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most > least ? most - least : Math.abs(most) || 1;
  const step = roundStep(span / 5);
  const inside = end === "values" && most > least;
  const first = inside ? Math.ceil(least / step - slack) : Math.floor(least / step + slack);
  const beyond = inside ? Math.floor(most / step + slack) : Math.ceil(most / step - slack);
  const last = Math.max(beyond, inside ? first : first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  const domain = inside ? ([least, most] as const) : ([first * step, last * step] as const);
  const at = (value: number) => pixels[0] + ((value - domain[0]) / (domain[1] - domain[0])) * (pixels[1] - pixels[0]);
  return { domain, ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + slack)), at };
}

/** The smallest of 1, 2, 5 times a power of ten that is not below the raw step. */
function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}
