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
