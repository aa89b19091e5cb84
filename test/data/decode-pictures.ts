// Child of image.test.ts: decodes the pictures named on standard input, one a line; one JSON line each.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { decodeImage } from "../../lib/data/image.ts";
import { DataError } from "../../lib/errors.ts";

for await (const path of createInterface({ input: process.stdin })) {
  try {
    const { rgb, width, height } = await decodeImage({ path }, { file: "pictures", row: 1 });
    const sha256 = createHash("sha256").update(rgb).digest("hex");
    console.log(JSON.stringify({ path, width, height, sha256 }));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    console.log(JSON.stringify({ path, error: error.message }));
  }
}
