// The dashboard's page: lib/dash/web to dist/dash/web, by vite.
import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import { root } from "./project.mjs";

const folder = join("dash", "web");
const output = join(root, "dist", folder);

/**
 * Whether a file is of the page.
 * @param {string} name relative to lib/ or dist/
 */
export function isOfWeb(name) {
  return name.startsWith(folder + sep);
}

export function hasWeb() {
  return existsSync(join(output, "index.html"));
}

/** Everything is in files of its own: the page's security policy allows nothing inline. */
export async function buildWeb() {
  const { build } = await import("vite"); // late: setup starts without packages
  await build({
    configFile: false,
    root: join(root, "lib", folder),
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
