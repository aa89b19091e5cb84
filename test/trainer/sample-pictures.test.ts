import sharp from "sharp";
import { expect, test } from "vitest";
import { sideBySide } from "../../lib/trainer/sample-pictures.ts";

const plainColour = async (width: number, height: number, background: string) =>
  await sharp({ create: { width, height, channels: 3, background } })
    .webp({ lossless: true })
    .toBuffer();

test("a picture is shown with its first masked view on the right, whatever their sizes, or alone", async () => {
  const [plain, first, second] = [
    await plainColour(3, 2, "#ff0000"),
    await plainColour(4, 5, "#00ff00"),
    await plainColour(3, 2, "#0000ff"),
  ];
  const shown = await sideBySide({ plain, masked: [first, second] });
  expect([shown.width, shown.height]).toEqual([7, 5]);
  const { data, info } = await sharp(shown.png).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([7, 5, 3]);
  const at = (x: number, y: number) => [...data.subarray(3 * (7 * y + x), 3 * (7 * y + x) + 3)];
  expect([at(2, 1), at(2, 2), at(3, 4)]).toEqual([[255, 0, 0], [0, 0, 0], [0, 255, 0]]); // prettier-ignore
  const alone = await sideBySide({ plain, masked: [] });
  expect([alone.width, alone.height]).toEqual([3, 2]);
});
