const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const systemOpening = /\\left\s*\\\{\s*\\begin\s*\{array\}\s*(?:\{[^{}]*\})?/gu;
const systemClosing = /\\end\s*\{array\}\s*\\right\s*\./gu;

/** LaTeX for what was typed otherwise: `x²`, `√3`, `3½`, a system as an array behind one brace; without empty groups. */
export function respell(text: string): string {
  return text
    .replace(/[⁰¹²³⁴-⁹]+/gu, (digits) => `^{${Array.from(digits, (digit) => superscripts.indexOf(digit)).join("")}}`)
    .replace(/√(\d+)?/gu, (_, digits: string | undefined) => `\\sqrt${digits === undefined ? "" : `{${digits}}`} `)
    .replace(/[¼-¾⅐-⅞]/gu, (fraction) => {
      const [top = "", bottom = ""] = fraction.normalize("NFKC").split("⁄");
      return `\\frac{${top}}{${bottom}}`;
    })
    .replace(systemOpening, "\\begin{cases}")
    .replace(systemClosing, "\\end{cases}")
    .replace(/\{\s*\}/gu, "");
}
