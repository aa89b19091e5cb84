// SVG as text: elements, attributes, numbers in a form that does not depend on the machine.

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** `<name a="1">children</name>`; attributes that are undefined are left out. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(value ?? "")}"`)
    .join("");
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join("")}</${name}>`;
}

export interface TextStyle {
  readonly size: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: "bold";
  readonly fill?: string;
  readonly transform?: string;
}

/** One line of text with its baseline at y. */
export function textElement(content: string, x: number, y: number, style: TextStyle): string {
  const { size, anchor, weight, fill, transform } = style;
  const attributes = { x, y, "font-size": size, "text-anchor": anchor, "font-weight": weight, fill, transform };
  return element("text", attributes, [escapeXml(content)]);
}

/** Width in pixels, a little generously: of DejaVu Sans, the widest font of the family list. */
export function textWidth(content: string, size: number): number {
  const widths = Array.from(content, (character) => {
    if (/[ijlI|']/u.test(character)) return 0.3;
    if (/[.,:;!()[\] ftr-]/u.test(character)) return 0.39;
    if (/[mwMW%@]/u.test(character)) return 0.95;
    return /[A-Z]/u.test(character) ? 0.7 : 0.62;
  });
  return size * widths.reduce((sum, width) => sum + width, 0);
}

/** Hundredths of a pixel. */
export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** `x,y x,y ...` for polylines and polygons. */
export function pointList(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y]) => `${coordinate(x)},${coordinate(y)}`).join(" ");
}

export function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replace(/[\r\n]+/gu, " ");
}
