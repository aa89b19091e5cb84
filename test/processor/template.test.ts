import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tinyTokenizerConfig } from "../../lib/miniature/tokenizer.ts";
import { BoundedTemplate } from "../../lib/processor/bounded-template.ts";
import { ChatTemplate, loadFormatPrompt, splitAtImages } from "../../lib/processor/template.ts";
import type { Message } from "../../lib/processor/template.ts";
import { tempFolder } from "../support/temp.ts";

const pictureThenText: Message[] = [{ role: "user", content: [{ type: "image" }, { type: "text", text: "Count." }] }];
const generate = { addGenerationPrompt: true };

describe("format prompt", () => {
  test("the built-in one is the published text around the trimmed question", async () => {
    const format = await loadFormatPrompt("math_perception");
    expect(format("  <image>How many?\n")).toBe(
      "<image>How many?\n\nYou first think through the reasoning process as an internal monologue, enclosed within " +
        "<think> </think> tags. Then, provide your final answer enclosed within \\boxed{}.",
    );
  });

  test("none gives the bare question; braces in a question stay text", async () => {
    expect((await loadFormatPrompt(null))(" {{ 7 }} ")).toBe(" {{ 7 }} ");
    expect((await loadFormatPrompt("math_perception"))("{{ 7 * 7 }}")).toContain("{{ 7 * 7 }}\n\nYou first");
  });

  test("a file is stripped before it is rendered", async () => {
    const file = join(tempFolder(), "own.jinja");
    writeFileSync(file, "\n\nQ: {{ content }}\n\n");
    expect((await loadFormatPrompt(file))("x")).toBe("Q: x");
  });

  test("a missing, broken or oversized file is a ConfigError", async () => {
    const folder = tempFolder();
    await expect(loadFormatPrompt(join(folder, "none.jinja"))).rejects.toThrow("data.formatPrompt: ");
    writeFileSync(join(folder, "bad.jinja"), "{% if %}");
    await expect(loadFormatPrompt(join(folder, "bad.jinja"))).rejects.toThrow(
      "data.formatPrompt: not a jinja template",
    );
    writeFileSync(join(folder, "big.jinja"), " ".repeat(2 ** 20 + 1));
    await expect(loadFormatPrompt(join(folder, "big.jinja"))).rejects.toThrow("expected at most 1048576 bytes");
  });
});

test.each([
  ["no mark", "no mark"],
  ["<image>", [{ type: "image" }]],
  ["a<image>", [{ type: "text", text: "a" }, { type: "image" }]],
  [
    "<image>a<image><image> b",
    [
      { type: "image" },
      { type: "text", text: "a" },
      { type: "image" },
      { type: "image" },
      { type: "text", text: " b" },
    ],
  ],
])("%j is cut at its marks, without empty texts", (text, items) => {
  expect(splitAtImages(text)).toEqual(items);
});

describe("chat template", () => {
  const marked = (mark: string) =>
    `{% for m in messages %}${mark}{% for c in m.content %}` +
    "{% if c.type == 'image' %}<|image_pad|>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endfor %}";
  const rendered = async (folder: string, setting: string | null = null) =>
    (await ChatTemplate.load(folder, setting)).render(pictureThenText, generate);

  test("a folder without one gets Qwen2.5-VL's, with its default system prompt", async () => {
    const chat = await ChatTemplate.load(tempFolder());
    expect(chat.render(pictureThenText, generate)).toBe(
      "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n" +
        "<|vision_start|><|image_pad|><|vision_end|>Count.<|im_end|>\n<|im_start|>assistant\n",
    );
    const messages: Message[] = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "2 + 2?" },
      { role: "assistant", content: "4" },
    ];
    expect(chat.render(messages, { addGenerationPrompt: false })).toBe(
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n",
    );
  });

  test("the checkpoint's own come in order: jinja file, chat_template.json, tokenizer_config.json", async () => {
    const folder = tempFolder();
    const config = { ...tinyTokenizerConfig(), bos_token: { content: "<s>" } };
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
    expect(await rendered(folder)).toContain("<|vision_start|><|image_pad|><|vision_end|>Count.<|im_end|><|im_start|>");
    writeFileSync(
      join(folder, "chat_template.json"),
      JSON.stringify({ chat_template: marked("json {{ bos_token }} ") }),
    );
    expect(await rendered(folder)).toBe("json <s> <|image_pad|>Count.");
    writeFileSync(join(folder, "chat_template.jinja"), marked("jinja "));
    expect(await rendered(folder)).toBe("jinja <|image_pad|>Count.");
  });

  test("of several named templates the default one is taken", async () => {
    const folder = tempFolder();
    const templates = ["tools", "default"].map((name) => ({ name, template: marked(`${name} `) }));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ chat_template: templates }));
    expect(await rendered(folder)).toBe("default <|image_pad|>Count.");
  });

  test("a template for text alone is passed over for one that knows pictures, or refused", async () => {
    const folder = tempFolder();
    const blind = "{% for m in messages %}{{ m.content }}{% endfor %}";
    writeFileSync(join(folder, "chat_template.jinja"), blind);
    await expect(rendered(folder)).rejects.toMatchObject({
      name: "CheckpointError",
      message: `${folder}: chat_template.jinja: expected a chat template that writes <|image_pad|> for a picture; data.chatTemplate may name another`,
    });
    writeFileSync(join(folder, "chat_template.json"), JSON.stringify({ chat_template: marked("") }));
    expect(await rendered(folder)).toBe("<|image_pad|>Count.");
    await expect(rendered(folder, blind)).rejects.toThrow("data.chatTemplate: expected a chat template");
  });

  test("a setting is a file or the text itself and goes before the checkpoint's", async () => {
    const folder = tempFolder();
    const file = join(folder, "mine.jinja");
    writeFileSync(file, `${marked("mine ")}\n`);
    for (const setting of [file, marked("mine ")])
      expect(await rendered(folder, setting)).toBe("mine <|image_pad|>Count.");
  });

  test("unreadable templates are named", async () => {
    const folder = tempFolder();
    await expect(rendered(folder, join(folder, "none"))).rejects.toThrow("data.chatTemplate: ");
    writeFileSync(join(folder, "chat_template.json"), JSON.stringify({ chat_template: "{% for %}" }));
    await expect(rendered(folder)).rejects.toThrow("chat_template.json: not a jinja template");
    mkdirSync(join(folder, "chat_template.jinja"));
    await expect(rendered(folder)).rejects.toThrow("chat_template.jinja: ");
  });

  test("content that is neither text nor pictures is a TypeError before it is printed", async () => {
    const chat = await ChatTemplate.load(tempFolder());
    const render = (content: unknown) => () => chat.render([{ role: "user", content } as Message], generate);
    expect(render({ text: 1 })).toThrow("[chatTemplate] expected a text or a list of texts and pictures");
    expect(render([{ type: "audio" }])).toThrow(TypeError);
    expect(render([{ type: "text" }])).toThrow(TypeError);
    expect(render(7)).toThrow(TypeError);
  });
});

describe("bounds", () => {
  const render = (text: string) => new BoundedTemplate(text).render({ x: 7 });

  test("range is Jinja's, up to 100,000 numbers", () => {
    const all = "{% for i in range(4) %}{{ i }}{% endfor %} {% for i in range(5, 0, -2) %}{{ i }}{% endfor %}";
    expect(render(`\n${all} {% for i in range(2, x) %}{{ i }}{% endfor %}|{{ range(3, 3) | length }}`)).toBe(
      "\n0123 531 23456|0",
    );
    expect(render("{{ range(100000) | length }}")).toBe("100000");
    for (const call of ["range(100001)", "range(0, 1000000000)", "range(0, 5, 0)", "range(0, -200000, -1)"])
      expect(() => render(`{{ ${call} | length }}`)).toThrow("range(): expected at most 100000 numbers");
  });

  test("loops without end to wait for are stopped", () => {
    const loops = "{% for i in range(20000) %}{% for j in range(20000) %}{% endfor %}{% endfor %}";
    expect(() => render(loops)).toThrow("the template renders for more than 5 seconds");
  });
});
