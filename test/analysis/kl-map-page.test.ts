import { expect, test } from "vitest";
import { escapeHtml, html } from "../../lib/analysis/html.ts";
import type { KlMap, MapToken } from "../../lib/analysis/kl-map/kl-map.ts";
import { renderKlMap } from "../../lib/analysis/kl-map/page.ts";
import { heatMap } from "../../lib/analysis/kl-map/picture-view.ts";
import { klLevel } from "../../lib/analysis/kl-map/kl-level.ts";
import { maxShownTokens } from "../../lib/analysis/kl-map/token-view.ts";
import { tokenTexts } from "../../lib/analysis/kl-map/token-texts.ts";
import { elements, parseHtml, withClass } from "../support/html.ts";

const png = "data:image/png;base64,iVBORw0KGgo=";
const token = (text: string, kl = 0.5): MapToken => ({ text, logProb: -0.25, maskedLogProb: -1.5, kl });

function mapOf(changes: Partial<KlMap> = {}, tokens: readonly MapToken[] = [token("4"), token("2", 0)]): KlMap {
  return {
    ...{ model: "m", id: "row-1", file: "rows.jsonl", row: 1, question: "How many?", prompt: "<|x|>How many?" },
    ...{ answer: "4", settings: { seed: "0" } },
    pictures: [
      { plain: { dataUrl: png, width: 84, height: 56 }, masked: { dataUrl: png, width: 84, height: 56 }, rows: 2, columns: 3 }, // prettier-ignore
    ],
    responses: [
      {
        ...{ tokens, finishReason: "stop", reward: { overall: 0.9, accuracy: 1 }, meanKl: 0.25 },
        ...{ attention: [[0.01, 0.02, 0.03, 0.02, 0.01, 0.01]], attentionEntropy: 0.93 },
      },
    ],
    ...changes,
  };
}

test("a page shows the prompt, both pictures, every token with its numbers and the reward's parts", async () => {
  const page = await parseHtml(renderKlMap(mapOf()));
  const [box] = withClass(page, "tokens");
  const spans = elements(box ?? page);
  expect(spans.map(({ text, attributes }) => [text, attributes["class"]])).toEqual([["4", "t k4"], ["2", "t k0"]]); // prettier-ignore
  expect(spans[0]?.attributes["title"]?.split("\n").map((line) => line.split(/\s{2,}/u)[1])).toEqual(["−0.2500", "−1.5000", "+1.2500", "0.5000 nats"]); // prettier-ignore
  expect(withClass(page, "badge").map(({ text }) => text.replace(/\s+/gu, " "))).toEqual(["mean KLprcp 0.250", "overall 0.9", "accuracy 1"]); // prettier-ignore
  expect(withClass(page, "plain-0")).toHaveLength(2); // with its mask, and under the attention
  expect(withClass(page, "masked-0")).toHaveLength(1);
  expect(
    elements(page)
      .find(({ name }) => name === "pre")
      ?.text.trim(),
  ).toBe("<|x|>How many?");
});

test("a token that is likelier on the masked picture is marked, where its KL has a colour", async () => {
  const tokens = [token("a"), { ...token("b"), logProb: -2 }, { ...token("c", 0.001), logProb: -2 }];
  const marked = withClass(await parseHtml(renderKlMap(mapOf({}, tokens))), "less");
  expect(marked.map(({ text }) => text)).toEqual(["dotted", "b"]); // the legend's, then the token
});

test("colours change at their edges", () => {
  expect([-1, 0, 0.0099, 0.01, 0.03, 0.1, 0.3, 1, 2.99, 3, 10].map(klLevel)).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 6]); // prettier-ignore
});

const hostile = [
  "<script>alert(1)</script>",
  "</script></style></title><img src=x onerror=alert(1)>",
  `"><svg onload=alert(1)>`,
  "' onmouseover='alert(1)",
  "<!-- --><iframe src=https://example.com>",
  "&lt;b&gt; &amp;amp;",
  "]]></div></section></body>",
  "\u202eabc\u0000\u001b[31m\ud800",
  "{{constructor}} ${1} `",
].join(" ");

test("hostile text adds no element and no attribute, and reads as it was", async () => {
  const shape = async (map: KlMap) => {
    const all = elements(await parseHtml(renderKlMap(map)));
    return all.map(({ name, attributes }) => `${name ?? ""} ${Object.keys(attributes).join()}`);
  };
  const evil = mapOf({
    ...{ model: hostile, id: hostile, file: hostile, question: hostile, prompt: hostile, answer: hostile },
    settings: { [hostile]: hostile },
    responses: mapOf({}, [token(hostile), token(hostile, 0)]).responses.map((response) => ({
      ...response,
      reward: { overall: 0.9, [hostile]: 1 },
    })),
  });
  expect(await shape(evil)).toEqual(await shape(mapOf()));
  const page = await parseHtml(renderKlMap(evil));
  const shown = hostile.replace("\u0000", "\ufffd").replace("\u001b", "\ufffd").replace("\ud800", "\ufffd");
  expect(elements(withClass(page, "tokens")[0] ?? page)[0]?.text).toBe(shown);
  expect(elements(page).filter(({ name }) => ["script", "iframe", "img", "object", "link"].includes(name ?? ""))).toEqual([]); // prettier-ignore
});

test("a page fetches nothing and may run nothing", async () => {
  const text = renderKlMap(mapOf());
  const policy = elements(await parseHtml(text)).find(({ attributes }) => attributes["http-equiv"] !== undefined);
  expect(policy?.attributes["content"]).toBe("default-src 'none'; img-src data:; style-src 'unsafe-inline'");
  expect(text).not.toMatch(/https?:|src=|href=|@import/u);
  expect([...text.matchAll(/url\(([^)]{0,12})/gu)].map(([, start]) => start)).toEqual(['"data:image/', '"data:image/']);
});

test.for([
  "https://example.com/x.png",
  `data:image/png;base64,AA"){}</style><script>`,
  "data:image/svg+xml;base64,AA",
  "",
])("a picture at %j is refused", (dataUrl) => {
  const pictures = mapOf().pictures.map((picture) => ({ ...picture, masked: { ...picture.masked, dataUrl } }));
  expect(() => renderKlMap(mapOf({ pictures }))).toThrow(TypeError);
});

test("a response too long to show is cut, and the page says so", () => {
  const tokens = Array.from({ length: maxShownTokens + 7 }, () => token("x"));
  const text = renderKlMap(mapOf({}, tokens));
  expect(text.match(/<span class="t k4" title=/gu)).toHaveLength(maxShownTokens);
  expect(text).toContain("7 more tokens are not shown.");
});

test("a heat map has a cell an image token, row by row, the stronger the more it is looked at", async () => {
  const { text } = heatMap([0, 0.1, 0.2, 0.4, 0.1, 0.1], { rows: 2, columns: 3 });
  const cells = elements(await parseHtml(text)).filter(({ name }) => name === "rect");
  expect(cells.map(({ attributes }) => [attributes["x"], attributes["y"]].join())).toEqual(["0,0", "1,0", "2,0", "0,1", "1,1", "2,1"]); // prettier-ignore
  expect(cells.map(({ attributes }) => Number(attributes["fill-opacity"]))).toEqual([0, 0.175, 0.35, 0.7, 0.175, 0.175]); // prettier-ignore
  expect(heatMap([0, 0], { rows: 1, columns: 2 }).text).not.toContain("NaN");
});

test("a template escapes every value but HTML", () => {
  expect(html`<p title="${'"'}">${"<i>"}${html`<b>${1}</b>`}${[html`<u></u>`]}</p>`.text).toBe('<p title="&quot;">&lt;i&gt;<b>1</b><u></u></p>'); // prettier-ignore
  expect(escapeHtml("a\r\nb\tc\u0085")).toBe("a\nb\tc\ufffd");
});

test("a character of several tokens belongs to the last of them", () => {
  // Ids are bytes; 200 and up are tokens of their own.
  const decode = (ids: ArrayLike<number>) => Buffer.from(Array.from(ids)).toString("utf8");
  const idsOf = (text: string) => [...Buffer.from(text)];
  expect(tokenTexts(idsOf("aé😀b"), { decode })).toEqual(["a", "", "é", "", "", "", "😀", "b"]);
  expect(tokenTexts([0xf0, 0x61], { decode })).toEqual(["", "\ufffda"]); // it never became one
  expect(tokenTexts([0x61, 0xc3], { decode })).toEqual(["a", "\ufffd"]); // cut off
  expect(tokenTexts([0x80, 0x80, 0x80, 0x80, 0x61], { decode }).at(-1)).toBe("a");
});
