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

test("an installed package is told what npm and papo setup can do, a clone what its scripts can", () => {
  const message = "no libtorch 2.13.0: prepared by setup: /x is not there";
  expect(loadSolutions([message], false)[0]).toContain("npx papo setup");
  expect(loadSolutions([message], true)[0]).toContain("npm run setup");
  expect(loadSolutions(["no libtorch 2.14.1 for CUDA 13.0: x"], false)[0]).toContain("npx papo setup --cuda");
  expect(loadSolutions(["/p/papo.node: not the file of its manifest"], false)[0]).toContain("install it again");
  expect(loadSolutions(["x: ld-linux-x86-64.so.2: No such file"], false)[0]).toContain("musl");
});

test("the last advice is always papo doctor", () => {
  expect(loadSolutions([]).at(-1)).toContain("papo doctor");
});
