const blocks = Array.from("▁▂▃▄▅▆▇█");
const ascii = Array.from("_.-:=+*#");

/**
 * A line of at most `width` characters whose heights are the values, lowest to highest; the means of neighbours where there
 * are more values than characters. What is not finite is a blank.
 */
export function sparkline(values: readonly number[], width: number, unicode = true): string {
  const levels = unicode ? blocks : ascii;
  const cells = values.length <= width ? values : means(values, width);
  const finite = cells.filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const level = (value: number) =>
    high > low ? Math.round(((value - low) / (high - low)) * (levels.length - 1)) : Math.floor(levels.length / 2);
  return cells.map((value) => (Number.isFinite(value) ? levels[level(value)] : " ")).join("");
}

function means(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, cell) => {
    const from = Math.floor((cell * values.length) / count);
    const part = values.slice(from, Math.floor(((cell + 1) * values.length) / count)).filter(Number.isFinite);
    return part.length === 0 ? Number.NaN : part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
