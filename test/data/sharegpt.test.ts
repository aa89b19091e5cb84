import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { jsonLines, tempFolder, tinyPng } from "./temp.ts";

const message = (role: string, content: unknown) => ({ role, content });
const images = ["./data/images/a.png"];
const good = { id: "a", messages: [message("user", "<image>What?"), message("assistant", "3")], images };

test("rows of conversations give question, answer and pictures that start from the root", async () => {
  const other = { conversations: [{ from: "human", value: "Why?" }, { from: "gpt", value: 4 }] }; // prettier-ignore
  const folder = tempFolder({
    "data/papo/set.json": JSON.stringify([{ ...good, level: 2 }, other]),
    "data/images/a.png": tinyPng,
  });
  const dataset = await openDataset(`${folder}/data/papo/set.json`, { layout: "sharegpt", imageDir: folder });
  expect(await dataset.read(0)).toMatchObject({
    id: "a",
    problem: "<image>What?",
    answer: "3",
    images: [{ path: expect.stringMatching(/data\/images\/a\.png$/u) as string }],
    extra: { level: 2 },
  });
  expect(await dataset.read(1)).toMatchObject({ id: "set.json:2", problem: "Why?", answer: "4", images: [] });
});

test("the hub's parquet of conversations is read with its embedded pictures", async () => {
  const optional = { repetition_type: "OPTIONAL" as const };
  const leafOf = (name: string, isText = true) => ({ ...optional, name, type: "BYTE_ARRAY" as const, ...(isText ? { converted_type: "UTF8" as const } : {}) }); // prettier-ignore
  const listOf = (name: string, ...leaves: ReturnType<typeof leafOf>[]) => [
    { ...optional, name, num_children: 1, converted_type: "LIST" as const },
    { name: "list", repetition_type: "REPEATED" as const, num_children: 1 },
    { ...optional, name: "element", num_children: leaves.length },
    ...leaves,
  ];
  const schema = [
    { name: "root", num_children: 2 },
    ...listOf("messages", leafOf("role"), leafOf("content")),
    ...listOf("images", leafOf("bytes", false), leafOf("path")),
  ];
  const columnData = [
    { name: "messages", data: [good.messages] },
    { name: "images", data: [[{ bytes: tinyPng, path: "a.png" }]] },
  ];
  const bytes = new Uint8Array(parquetWriteBuffer({ schema, columnData }));
  const folder = tempFolder({ "data/hiyouga_geometry3k-00000-of-00001.parquet": bytes });
  const dataset = await openDataset(`${folder}@hiyouga_geometry3k`, { layout: "sharegpt" });
  const { problem, answer, images: pictures } = await dataset.read(0);
  expect([problem, answer]).toEqual(["<image>What?", "3"]);
  expect(pictures).toEqual([{ bytes: new Uint8Array(tinyPng) }]);
});

test.for([
  [{ id: "a" }, /:1: messages: expected a list of messages, got none$/u],
  [{ messages: [message("user", "<image>?")], images }, /:1: messages: expected one message of assistant, got 0$/u],
  [{ messages: [...good.messages, message("user", "And?")], images }, /expected one message of user, got 2$/u],
  [{ messages: [null, "x", ...good.messages], images: [] }, /problem: expected one <image> mark per picture/u],
  [{ messages: [message("user", "?"), message("assistant", null)] }, /:1: answer: expected text, got none/u],
] as const)("a row %j is named", async ([row, text]) => {
  const folder = tempFolder({ "set.jsonl": jsonLines([row]) });
  const dataset = await openDataset(`${folder}/set.jsonl`, { layout: "sharegpt" });
  await expect(dataset.read(0)).rejects.toThrow(text);
});
