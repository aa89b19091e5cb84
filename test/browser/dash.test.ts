// The dashboard in a real browser, over real run folders: a training run while it trains, and what a stranger may have
// put into a folder.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openDashboard } from "../../lib/dash/serve.ts";
import { formatValue } from "../../lib/dash/web/format.ts";
import { addStep, openFor, until, writeRun } from "../dash/run-folders.ts";
import {
  freshPath,
  jsonLines,
  makeWorld,
  numLogged,
  removeWorld,
  startPapo,
  trainWords,
  type World,
} from "../e2e/world.ts";
import { tempFolder } from "../support/temp.ts";
import { findChromium, launch } from "./chromium.ts";

const cards = (page: Page, title: string) =>
  page.locator(".chart", { has: page.getByRole("heading", { name: title, exact: true }) });

/** Text of the chart's legend: `papo0.6836`. */
const legendOf = async (page: Page, title: string) =>
  (await cards(page, title).locator(".legend li").allTextContents()).map((text) => text.trim());

describe.skipIf(findChromium() === undefined)("in a browser", () => {
  let browser: Browser;
  let world: World;
  beforeAll(async () => {
    [browser, world] = await Promise.all([launch(), makeWorld()]);
  });
  afterAll(async () => {
    await browser.close();
    removeWorld(world);
  });

  /** A page that fails the test by an error of its own, or by a request to anywhere else. */
  async function openPage(url: string, more: Parameters<Browser["newPage"]>[0] = {}): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...more });
    const foreign: string[] = [];
    const errors: string[] = [];
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) foreign.push(request.url());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/iu.test(message.text())) errors.push(message.text());
    });
    onTestFinished(async () => {
      await page.close();
      expect({ foreign, errors }).toEqual({ foreign: [], errors: [] });
    });
    await page.goto(url);
    return page;
  }

  test("a training run is watched step by step without a reload, then its samples are looked at", async () => {
    const out = freshPath(world, "run");
    const settings = [
      "trainer.maxSteps=60",
      "trainer.totalEpochs=40",
      "trainer.saveFreq=60",
      "trainer.loggers=[jsonl]",
    ];
    const training = startPapo(trainWords(world, "miniature-papo", out, ...settings));
    await training.until(() => numLogged(out) >= 1);
    const { url } = await openFor([out]);
    const page = await openPage(url);
    const seen = new Set<string>();
    const progress = page.locator(".run .progress");
    await until(async () => {
      seen.add((await progress.textContent()) ?? "");
      return [...seen].filter((text) => text.startsWith("running")).length >= 3;
    });
    expect(await training.ended).toBe(0);
    await page.getByText("finished · step 60 of 60").waitFor();
    const last = jsonLines(join(out, "metrics.jsonl")).at(-1);
    for (const [title, label, value] of [
      ["Reward", "reward", last?.["reward/overall"]],
      ["KL_prcp", "KL_prcp", -Number(last?.["actor/kl_prcp_loss"])],
      ["Tokens per second", "all tokens", last?.["perf/throughput"]],
    ] as const) {
      await cards(page, title).scrollIntoViewIfNeeded();
      await until(async () => (await legendOf(page, title))[0] === label + formatValue(Number(value)));
    }
    expect(await legendOf(page, "Step time by phase")).toContainEqual(expect.stringMatching(/^update_actor[\d.]+$/u));

    await page.getByRole("link", { name: "Samples" }).click();
    const group = page.locator(".group").first();
    await group.waitFor();
    expect(await page.getByLabel("Step", { exact: true }).inputValue()).toBe("step-000060");
    const isLoaded = `[...document.querySelector(".group").querySelectorAll("img")].every((image) => image.naturalWidth > 0)`;
    await until(() => page.evaluate<boolean>(isLoaded));
    expect(await group.locator("figcaption").allTextContents()).toEqual(["picture", "masked"]);
    const sample = jsonLines(join(out, "samples", "step-000060.jsonl"))[0];
    const tokens = sample?.["tokens"] as string[];
    const shown = group.locator(".response").first().locator(".token");
    expect(await shown.allTextContents()).toEqual(tokens.map((token) => token || "▫"));
    await shown.nth(1).hover();
    const signed = (value: unknown) => `${Number(value) < 0 ? "−" : "+"}${Math.abs(Number(value)).toFixed(3)}`;
    const tip = page.getByRole("tooltip");
    expect(await tip.textContent()).toContain(`log-prob, picture${signed((sample?.["logProbs"] as number[])[1])}`);
    expect(await tip.textContent()).toContain(`log-prob, masked${signed((sample?.["maskedLogProbs"] as number[])[1])}`);
    await page.keyboard.press("ArrowLeft");
    await until(async () => (await page.getByLabel("Step", { exact: true }).inputValue()) === "step-000059");
  });

  test("runs lie over each other, are hidden, smoothed, filtered and zoomed", async () => {
    const rows = (scale: number) =>
      Array.from({ length: 40 }, (_, index) => ({ "reward/overall": scale * (index % 2), "actor/lr": 1e-5 }));
    const folder = tempFolder();
    const runs = [
      writeRun(join(folder, "first"), rows(1), { seed: 1, same: 7 }),
      writeRun(join(folder, "second"), rows(2), { seed: 2, same: 7 }),
    ];
    const { url } = await openFor(runs);
    const page = await openPage(url);
    await until(async () => (await legendOf(page, "Reward")).length === 2);
    expect(await legendOf(page, "Reward")).toEqual(["first1", "second2"]);
    await page.getByRole("checkbox", { name: "second" }).uncheck();
    await until(async () => (await legendOf(page, "Reward")).length === 1);
    await page.getByRole("checkbox", { name: "second" }).check();

    const pixels = () => page.evaluate<string>(`document.querySelector(".chart canvas").toDataURL()`); // Reward's
    await until(async () => (await legendOf(page, "Reward")).length === 2);
    const before = await pixels();
    await page.getByLabel("Smoothing").fill("0.95");
    await until(async () => (await pixels()) !== before);
    const smoothed = await pixels();
    await page.keyboard.press("Escape");
    await page.keyboard.press("l");
    await until(async () => (await pixels()) !== smoothed);
    expect(await page.getByLabel("Log scale").isChecked()).toBe(true);

    const box = await cards(page, "Reward").locator(".u-over").boundingBox();
    if (!box) throw new Error("no plot");
    await page.mouse.move(box.x + box.width * 0.25, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 50, { steps: 4 });
    await page.mouse.up();
    const zoomed = page.getByRole("button", { name: /^Steps 1\d to 2\d · show all$/u });
    await zoomed.waitFor();
    await zoomed.click();
    await zoomed.waitFor({ state: "hidden" });

    await page.keyboard.press("/");
    await page.keyboard.type("learning");
    await until(async () => (await page.locator(".chart").count()) === 1);
    await page.keyboard.press("Escape");
    await page.keyboard.press("4");
    const settings = page.locator("table.settings tbody tr");
    await settings.first().waitFor();
    expect(await settings.allTextContents()).toEqual(["seed12"]); // only what differs
  });

  test("a page whose server went away says so, and goes on with the new one where it was", async () => {
    const folder = writeRun(tempFolder(), [{ "reward/overall": 0.25 }]);
    const first = await openDashboard({ folders: [folder], port: 0, host: "127.0.0.1" });
    const page = await openPage(first.url);
    await page.getByText("live", { exact: true }).waitFor();
    await first[Symbol.asyncDispose]();
    await page.getByText("not connected").waitFor();
    addStep(folder, 2, { "reward/overall": 0.75 });
    await openFor([folder], { port: Number(new URL(first.url).port) });
    await page.getByText("live", { exact: true }).waitFor();
    await until(async () => (await legendOf(page, "Reward"))[0] === "reward0.75");
  });

  test("nothing that a hostile folder holds is more than text", async () => {
    const bad = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>`;
    const outer = tempFolder();
    const folder = writeRun(join(outer, "<script>window.hacked=3<", "run"), [{ [bad]: 1, "reward/overall": 0.5 }], {
      [bad]: bad,
    });
    writeFileSync(
      join(folder, "metrics.jsonl"),
      `{"step":9,"x":\n{"step":"${"1".repeat(99)}"}\n{"step":2,"reward/overall":1}\n{"ste`,
      { flag: "a" },
    );
    writeFileSync(
      join(folder, "alarms.jsonl"),
      `${JSON.stringify({ step: 1, signal: bad, event: bad, action: bad, metric: bad, value: bad })}\n`,
    );
    mkdirSync(join(folder, "samples", "step-000001"));
    symlinkSync("/etc/passwd", join(folder, "samples", "step-000001", "0-0.png"));
    writeFileSync(join(folder, "samples", "step-000001", "1-0.png"), `<script>window.hacked=4</script>`);
    const pictures = [
      {
        plain: "step-000001/0-0.png",
        masked: ["step-000001/1-0.png", "javascript:alert(1)", "https://example.org/x.png"],
      },
    ];
    const tokens = { tokens: [bad, "\u202e\u0000"], logProbs: [-1, -2], maskedLogProbs: [-9, -2] };
    const sample = {
      step: 1,
      id: bad,
      promptText: bad,
      answer: bad,
      numImages: 1,
      pictures,
      text: bad,
      finishReason: bad,
      ...tokens,
      [`reward/${bad}`]: 1,
    };
    writeFileSync(
      join(folder, "samples", "step-000001.jsonl"),
      `${JSON.stringify(sample)}\n${JSON.stringify({ ...sample, tokens: 7 })}\n{"step":1,"te`,
    );
    const evaluation = join(folder, "eval");
    mkdirSync(evaluation);
    writeFileSync(
      join(evaluation, "summary.json"),
      JSON.stringify({ identity: { model: bad }, benchmarks: [{ name: bad, n: 1, avgAtN: 0.5 }] }),
    );
    const { url } = await openFor([folder]);
    const page = await openPage(url);
    page.on("dialog", (dialog) => {
      throw new Error(dialog.message());
    });
    await page.getByText("2 lines of metrics.jsonl cannot be read").waitFor();
    await page.getByText("More").click();
    await page.getByRole("heading", { name: bad }).waitFor();
    for (const [tab, place] of [
      ["Samples", ".group h3"],
      ["Evaluations", "table.scores thead"],
      ["Config", "table.settings"],
      ["Alarms", "table.alarms"],
    ] as const) {
      await page.getByRole("link", { name: tab }).click();
      await page.locator(place, { hasText: bad }).first().waitFor();
      if (tab !== "Samples") continue;
      await page.getByText("cannot be shown").nth(1).waitFor();
      expect(await page.getByText("cannot be shown").count()).toBe(2);
      await page.locator(".response .token").first().hover();
      await page.getByRole("tooltip").getByText("window.hacked").waitFor();
    }
    expect(await page.evaluate("window.hacked")).toBeUndefined();
    expect(await page.locator("main script, main img").count()).toBe(0);
  });

  test("a telephone shows every view without scrolling sideways, in light and dark", async () => {
    const folder = writeRun(tempFolder(), [{ "reward/overall": 1, "timing_s/gen": 2 }], {
      "a.long.key.that.goes.on": "x".repeat(300),
    });
    const { url } = await openFor([folder]);
    const backs = new Set<string>();
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await openPage(url, { viewport: { width: 360, height: 740 }, colorScheme });
      await until(async () => (await legendOf(page, "Reward")).length === 1);
      for (const tab of ["Curves", "Samples", "Evaluations", "Config", "Alarms"]) {
        await page.getByRole("link", { name: tab }).click();
        await page.waitForTimeout(50);
        expect(await page.evaluate("document.documentElement.scrollWidth"), tab).toBeLessThanOrEqual(360);
      }
      backs.add(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"));
    }
    expect(backs.size).toBe(2);
  });

  test("a folder of evaluations alone is a table, the best of comparable rows standing out", async () => {
    const folder = tempFolder();
    const write = (name: string, accuracy: number) => {
      mkdirSync(join(folder, name));
      const settings = { model: `models/${name}`, data: "test.jsonl" };
      writeFileSync(join(folder, name, "settings.json"), JSON.stringify(settings));
      writeFileSync(join(folder, name, "summary.json"), JSON.stringify({ n: 8, rows: 7, average: { accuracy } }));
    };
    write("base", 0.415);
    write("trained", 0.632);
    const { url } = await openFor([folder]);
    const page = await openPage(url);
    await page.getByRole("columnheader", { name: "accuracy" }).waitFor();
    expect(await page.locator("td").allTextContents()).toEqual(["41.5", "63.2"]);
    expect(await page.locator("td.best").allTextContents()).toEqual(["63.2"]);
  });
});
