import { expect, test } from "vitest";
import { loadSolutions } from "../../lib/native/load-solutions.ts";

const first = (message: string) => loadSolutions([`/papo/build/Release/papo.node: ${message}`])[0];

test("each way in which loading fails has its own solution", () => {
  expect(first("not there")).toContain("npm run setup");
  expect(first("libtorch_cpu.so: cannot open shared object file: No such file or directory")).toContain(
    "libtorch is not where it was",
  );
  expect(first("libcudart.so.13: cannot open shared object file: No such file")).toContain("CUDA libraries");
  expect(first("/papo.node: undefined symbol: _ZN2at4_ops3add4callERKNS_6TensorE")).toContain("another libtorch");
  expect(first("/lib/libc.so.6: version `GLIBC_2.38' not found (required by papo.node)")).toContain("newer system");
  expect(first("/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found")).toContain("newer system");
  expect(first("invalid ELF header")).toContain("broken");
  expect(first("file too short")).toContain("broken");
});

test("the last advice is always papo doctor", () => {
  expect(loadSolutions([]).at(-1)).toContain("papo doctor");
});
