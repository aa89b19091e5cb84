import { expect, test } from "vitest";
import { loadNative } from "../../lib/native/load.ts";
import { batchOf, keep, prompt, response, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();

test("each token has its own KL: k3 with the reference's clamps, k1 the plain log ratio", async () => {
  const policy = await tinyPolicy({ trained: false });
  const batch = batchOf([{ prompt: prompt("kl", [1, 2]), responses: [response(4, 1), response(2, 2)] }]);
  const own = [Float32Array.of(-1, -2, -0.5, -30), Float32Array.of(-4, -3)];
  const other = [Float32Array.of(-1, -4, -0.25, -1), Float32Array.of(-1, -28)];
  const [x, y] = [
    keep(await native.createLogProbs(policy, batch, own)),
    keep(await native.createLogProbs(policy, batch, other)),
  ];
  // s = y - x: 0, -2, 0.25, 29 clamped to 20 (e^20 is over 10), 3 (e^3 - 4 = 16.1 is over 10), -25 clamped to -20
  const k3 = [0, Math.exp(-2) + 1, Math.exp(0.25) - 1.25, 10, 10, 10];
  expect([...(await native.klPerToken(x, y, "k3"))]).toEqual(k3.map((value) => expect.closeTo(value, 6) as number));
  expect([...(await native.klPerToken(x, y, "k1"))]).toEqual([0, 2, -0.25, -29, -3, 25]);
});
