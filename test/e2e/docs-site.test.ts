// The site of `npm run docs`: it is made without a warning, holds every page and the API, and asks no other server.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { docPages } from "../docs/shell-blocks.ts";
import { runNode } from "../support/processes.ts";

let site = "";
let output = "";
beforeAll(() => {
  site = mkdtempSync(join(tmpdir(), "papo-docs-"));
  const run = runNode([join(packageRoot, "scripts", "docs.mjs"), "--out", site]);
  output = run.stdout + run.stderr;
  expect(run.status, output).toBe(0);
});

const files = () => readdirSync(site, { recursive: true, encoding: "utf8" });
const pages = () => files().filter((name) => name.endsWith(".html"));

afterAll(() => {
  rmSync(site, { recursive: true, force: true });
});

test("no warning: no broken link, nothing out of date", () => {
  expect(output).not.toMatch(/warning|brought up to date/u);
});

test("every page of docs/ and every error class is there", () => {
  for (const page of docPages().filter((name) => name.startsWith("docs/"))) {
    const name = page.replace(/^docs\/(.*)\.md$/u, "$1");
    expect(
      pages().some((file) => file.toLowerCase().endsWith(`/${name}.html`)),
      name,
    ).toBe(true);
  }
  expect(pages()).toContain(join("classes", "ConfigError.html"));
  expect(pages()).toContain(join("functions", "train.html"));
});

test("no page loads anything from elsewhere", () => {
  const loads =
    /<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?:https?:)?\/\/|<link\b[^>]*\bhref="(?:https?:)?\/\/|@import|url\(\s*["']?(?:https?:)?\/\//u;
  const texts = files().filter((name) => /\.(?:html|css)$/u.test(name));
  expect(texts.length).toBeGreaterThan(50);
  expect(texts.filter((name) => loads.test(readFileSync(join(site, name), "utf8")))).toEqual([]);
});
