// Samples: one step's groups of one run, with pictures, rewards and tokens.
import type { SampleFile, SampleGroup, SamplePicture, SampleResponse, SamplesReply } from "../api.ts";
import { klEdges } from "../../analysis/kl-map/kl-level.ts";
import { emptyState, h, select } from "./dom.ts";
import { formatCount, formatSigned, formatValue, plural } from "./format.ts";
import { askSampleFiles, askSamples, pictureUrl } from "./server.ts";
import { state } from "./state.ts";
import { tokenText } from "./tokens.ts";

export class SamplesView {
  readonly element = h("section", { class: "view", id: "samples" });
  readonly #bar = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Samples" });
  readonly #groups = h("div", { class: "groups" });
  #run = 0;
  #files: readonly SampleFile[] = [];
  /** Undefined: the newest. */
  #name: string | undefined;
  #drawn = "";
  #isShown = false;

  constructor() {
    this.element.append(this.#bar, this.#groups);
    state.on("runs", () => {
      if (this.#isShown) void this.#update();
    });
  }

  show(isShown: boolean): void {
    this.#isShown = isShown;
    if (isShown) void this.#update();
  }

  /** To the step so many files on. */
  move(by: number): void {
    const index = this.#files.findIndex(({ name }) => name === this.#current?.name);
    const next = this.#files[Math.min(this.#files.length - 1, Math.max(0, index + by))];
    if (next) this.#choose(next.name);
  }

  get #current(): SampleFile | undefined {
    return this.#files.find(({ name }) => name === this.#name) ?? this.#files.at(-1);
  }

  #choose(name: string): void {
    this.#name = name === this.#files.at(-1)?.name ? undefined : name;
    void this.#update();
  }

  async #update(): Promise<void> {
    const run = state.runs[this.#run];
    if (!run) {
      this.#groups.replaceChildren(emptyState("No run", "These folders hold evaluations only."));
      return;
    }
    this.#files = await askSampleFiles(run.id).catch(() => []);
    this.#drawBar();
    const file = this.#current;
    const key = `${run.id} ${run.generation} ${file?.name ?? ""}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    if (!file) {
      this.#groups.replaceChildren(emptyState("No samples yet", "A few groups of each step appear here (trainer.samplesPerStep says how many).")); // prettier-ignore
      return;
    }
    const reply = await askSamples(run.id, file.name).catch((error: unknown) => error as Error);
    if (this.#drawn !== key) return;
    if (reply instanceof Error) this.#groups.replaceChildren(emptyState("Cannot be read", reply.message));
    else this.#groups.replaceChildren(...groupsOf(reply, run.id));
  }

  #drawBar(): void {
    const file = this.#current;
    const index = this.#files.findIndex(({ name }) => name === file?.name);
    const button = (text: string, title: string, by: number) =>
      h("button", { type: "button", title, disabled: index + by < 0 || index + by >= this.#files.length, onclick: () => { this.move(by); } }, text); // prettier-ignore
    const runs = select(
      state.runs.map(({ id, name }) => ({ value: String(id), label: name })),
      String(this.#run),
      (value) => {
        // prettier-ignore
        this.#run = Number(value);
        this.#name = undefined;
        void this.#update();
      },
    );
    runs.setAttribute("aria-label", "Run");
    const choices = this.#files.map(({ name, step, kind }) => ({ value: name, label: `step ${formatCount(step)}${kind === "validation" ? " · validation" : ""}` })); // prettier-ignore
    const steps = select(choices, file?.name ?? "", (name) => { this.#choose(name); }); // prettier-ignore
    steps.setAttribute("aria-label", "Step");
    // What the user is about to choose from is left alone.
    if (this.#bar.contains(document.activeElement) && document.activeElement instanceof HTMLSelectElement) return;
    this.#bar.replaceChildren(
      ...(state.runs.length > 1 ? [runs] : []),
      h("span", { class: "stepper" }, button("‹", "step before (←)", -1), steps, button("›", "next step (→)", 1)),
      h("span", { class: "hint" }, this.#name === undefined ? "follows the newest step" : ""),
      klLegend(),
    );
  }
}

function klLegend(): HTMLElement {
  const swatches = [0, ...klEdges].map((edge, level) => h("span", { class: `token k${level}` }, String(edge)));
  return h("span", { class: "kl-legend" }, "KL_prcp of a token, nats, from", ...swatches);
}

function groupsOf({ groups, numBadLines }: SamplesReply, run: number): HTMLElement[] {
  const notes = numBadLines > 0 ? [h("p", { class: "note" }, `${plural(numBadLines, "line")} of the file cannot be read`)] : []; // prettier-ignore
  if (groups.length === 0) return [emptyState("Empty", "This step's file has no responses."), ...notes];
  return [...notes, ...groups.map((group) => groupCard(group, run))];
}

function groupCard({ id, promptText, answer, pictures, numImages, responses }: SampleGroup, run: number): HTMLElement {
  const rewards = responses.flatMap(({ reward }) => ("overall" in reward ? [reward["overall"]] : []));
  const mean = rewards.reduce((sum, value) => sum + value, 0) / Math.max(1, rewards.length);
  const shown = pictures.flatMap((picture, index) => pictureFigures(picture, { run, index, count: pictures.length }));
  const missing = numImages > 0 && pictures.length === 0;
  return h(
    "article",
    { class: "card group" },
    h("header", {}, h("h3", {}, id), h("span", { class: "badge" }, `mean reward ${formatValue(mean)}`)),
    h(
      "div",
      { class: "question" },
      shown.length > 0 && h("div", { class: "pictures" }, ...shown),
      h(
        "div",
        { class: "words" },
        h("h4", {}, "Prompt"),
        h("p", { class: "prompt" }, ...promptParts(promptText)),
        h("h4", {}, "Ground truth"),
        h("p", { class: "prompt" }, answer),
        missing && h("p", { class: "note" }, "The run did not keep its pictures."),
      ),
    ),
    h("div", { class: "responses" }, ...folded(responses).map(({ response, times }) => responseCard(response, times))),
  );
}

function pictureFigures(
  { plain, masked }: SamplePicture,
  { run, index, count }: { readonly run: number; readonly index: number; readonly count: number },
): HTMLElement[] {
  const number = count > 1 ? ` ${index + 1}` : "";
  const maskedName = (place: number) =>
    masked.length > 1 ? `masked${number}, response ${place + 1}` : `masked${number}`;
  return [
    figure(pictureUrl(run, plain), `picture${number}`),
    ...masked.map((name, place) => figure(pictureUrl(run, name), maskedName(place))),
  ];
}

function figure(url: string, caption: string): HTMLElement {
  const image = h("img", { src: url, alt: caption, loading: "lazy", decoding: "async" });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 160));
  image.addEventListener("error", () => { image.replaceWith(h("div", { class: "lost" }, "cannot be shown")); }); // prettier-ignore
  return h("figure", {}, image, h("figcaption", {}, caption));
}

/** Special tokens stand back. */
function promptParts(text: string): (Node | string)[] {
  return text.split(/(<\|\w+\|>)/u).map((part) => (/^<\|\w+\|>$/u.test(part) ? h("span", { class: "special" }, part) : part)); // prettier-ignore
}

/** Responses that are the same in all are shown once. */
function folded(responses: readonly SampleResponse[]): { readonly response: SampleResponse; readonly times: number }[] {
  const times = new Map<string, number>();
  for (const response of responses) {
    const key = JSON.stringify(response);
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  return [...times].map(([key, count]) => ({ response: JSON.parse(key) as SampleResponse, times: count }));
}

function responseCard(response: SampleResponse, times: number): HTMLElement {
  const { text, reward, advantage, klPrcp, klRef, numTokens, finishReason, tokens } = response;
  const { overall, ...parts } = reward;
  const badge = (name: string, value: string, kind = "") =>
    h("span", { class: `badge ${kind}` }, h("span", { class: "name" }, name), value);
  const kind = overall === undefined ? "" : overall >= 0.5 ? "good" : "bad";
  return h(
    "section",
    { class: "response", "aria-label": "response" },
    h(
      "header",
      {},
      times > 1 && badge("", `× ${formatCount(times)}`, "times"),
      badge("reward", formatValue(overall), kind),
      ...Object.entries(parts).map(([name, value]) => badge(name, formatValue(value))),
      advantage !== null && badge("advantage", formatSigned(advantage, 2)),
      klPrcp !== null && badge("KL_prcp", formatValue(klPrcp)),
      klRef !== null && badge("KL to reference", formatValue(klRef)),
      numTokens !== null && badge("", plural(numTokens, "token")),
      finishReason === "length" && badge("", "cut off", "warn"),
    ),
    tokens.length > 0 ? tokenText(response) : h("div", { class: "tokens" }, text === "" ? "(empty)" : text),
  );
}
