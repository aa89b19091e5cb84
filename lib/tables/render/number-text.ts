import type { NumberCell } from "../table.ts";

/** With its digits after the point; a value that rounds to zero has no sign. */
export function fixed(value: number, digits: number): string {
  const shown = value.toFixed(digits);
  return Number(shown) === 0 ? (0).toFixed(digits) : shown;
}

/** Its value and half-width as text; undefined for one without a half-width. */
export function numberTexts({ value, halfWidth, digits }: NumberCell): {
  value: string;
  halfWidth: string | undefined;
} {
  return { value: fixed(value, digits), halfWidth: halfWidth === undefined ? undefined : fixed(halfWidth, digits) };
}
