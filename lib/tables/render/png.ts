// SVG to PNG with a font that comes along, so that a machine's own fonts do not matter.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** @param zoom pixels of the picture a pixel of the SVG: 3 gives 288 a CSS inch */
export function toPng(svg: string, zoom = 3): Buffer {
  // Loaded here: the rest of papo runs where its binary does not exist.
  const { Resvg } = require("@resvg/resvg-js") as typeof import("@resvg/resvg-js");
  const fontFiles = ["DejaVuSans", "DejaVuSans-Bold"].map((name) =>
    require.resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`),
  );
  const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: "DejaVu Sans" };
  return new Resvg(svg, { font, fitTo: { mode: "zoom", value: zoom } }).render().asPng();
}
