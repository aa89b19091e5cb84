import { expect, test } from "vitest";
import { ConfigError } from "../../lib/errors.ts";
import { gpus, parseGpus, peakFlopsOf } from "../../lib/plan/gpus.ts";

test("a set of GPUs is a count and a name, in either case, one where there is no count", () => {
  expect(parseGpus("2xh100")).toMatchObject({ count: 2, gpu: { name: "h100", memoryBytes: 80e9, peakFlops: 989e12 } });
  expect(parseGpus("a100-40")).toMatchObject({ count: 1, gpu: { memoryBytes: 40e9, memoryBandwidth: 1555e9 } });
  expect(parseGpus(" 8 x RTX4090 ")).toMatchObject({ count: 8, gpu: { name: "rtx4090" } });
});

test("an unknown name lists the known ones, and no GPU is none", () => {
  expect(() => parseGpus("2xh101")).toThrow(ConfigError);
  expect(() => parseGpus("2xh101")).toThrow(
    /^--gpus: expected COUNTxNAME with a name of h100, h200, .*; got "2xh101"$/u,
  );
  for (const text of ["", "2", "2x", "xh100", "-1xh100", "1.5xh100"])
    expect(() => parseGpus(text)).toThrow(/with a name of/u);
  expect(() => parseGpus("0xh100")).toThrow("--gpus: expected 1 to 1024 GPUs, got 0");
  expect(() => parseGpus("1025xh100")).toThrow("got 1025");
});

test("a device's peak goes by its whole name", () => {
  expect(peakFlopsOf("NVIDIA H20")).toBe(148e12);
  expect(peakFlopsOf("NVIDIA H200")).toBe(989e12);
  expect(peakFlopsOf("NVIDIA H2")).toBeUndefined();
  const names = gpus.flatMap(({ deviceNames }) => deviceNames);
  expect(new Set(names).size).toBe(names.length);
});
