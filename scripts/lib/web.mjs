// The dashboard's page: lib/dash/web to dist/dash/web, by vite.
import { existsSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { root } from "./project.mjs";

const folder = join("dash", "web");
const source = join(root, "lib", folder);
const output = join(root, "dist", folder);

/**
 * Whether a file is of the page.
 * @param {string} name relative to lib/ or dist/
 */
export function isOfWeb(name) {
  return name.startsWith(folder + sep);
}

/** Whether the page, if there is one, is built with all that it asks for. */
export function hasWeb() {
  if (!existsSync(join(source, "index.html"))) return true;
  const page = join(output, "index.html");
  if (!existsSync(page)) return false;
  const assets = [...readFileSync(page, "utf8").matchAll(/"\/(assets\/[^"]+)"/g)].map(([, name]) => name ?? "");
  return assets.every((name) => existsSync(join(output, name)));
}

/** Everything is in files of its own: the page's security policy allows nothing inline. */
export async function buildWeb() {
  const { build } = await import("vite"); // late: setup starts without packages
  await build({
    configFile: false,
    root: source,
    logLevel: "warn",
    build: {
      outDir: output,
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: false,
      target: "es2022",
      rolldownOptions: {
        output: { entryFileNames: "assets/[name]-[hash].js", assetFileNames: "assets/[name]-[hash][extname]" },
      },
    },
  });
}
