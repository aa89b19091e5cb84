/** What papo's folder is: with sources to build from, or as npm installs it. */
type Words = (clone: boolean) => string;

const setUp: Words = (clone) =>
  clone
    ? "run `npm run setup` in papo's folder: it prepares libtorch and builds the module"
    : "run `npx papo setup`: it prepares libtorch; no compiler is needed";
const rebuild: Words = (clone) =>
  clone
    ? "run `npm run build:native` in papo's folder: it builds the module for this machine"
    : "build papo here: run `npm run setup` in a clone of papo, then set PAPO_NATIVE to its build/Release/papo.node";
const reinstall: Words = (clone) =>
  clone
    ? "delete it, then run `npm run build:native` in papo's folder"
    : "delete node_modules/papo and install it again";

/** What a loader's words mean and what to do, the most telling first. */
const causes: readonly { readonly words: RegExp; readonly solution: Words }[] = [
  {
    words: /no libtorch \S+ for CUDA/,
    solution: (clone) =>
      clone
        ? "run `npm run build -- --cuda` in papo's folder"
        : "for the GPU, run `npx papo setup --cuda` (it takes 6 GB)",
  },
  { words: /no libtorch \S+:/, solution: setUp },
  {
    words: /PAPO_LIBTORCH: /,
    solution: () => "unset PAPO_LIBTORCH, or let it name the torch/ folder of the release that is asked for",
  },
  {
    words: /lib(cudart|cupti|cu\w+|nv\w+|nccl)[^ ]*: cannot open shared object file/,
    solution: () =>
      "libtorch is a CUDA build whose CUDA libraries are not beside it: install torch with its nvidia-* packages, " +
      "or unset PAPO_LIBTORCH and run `npm run setup`",
  },
  {
    words: /libgomp[^ ]*: cannot open shared object file/,
    solution: () => "install OpenMP's runtime: libgomp1 on Debian and Ubuntu, libgomp on Fedora",
  },
  {
    words: /lib(torch|c10|gomp)[^ ]*: cannot open shared object file|Library not loaded/,
    solution: (clone) => `libtorch is not where it was when the module was built: ${setUp(clone)}`,
  },
  {
    words: /version `(GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found/,
    solution: (clone) => `the module or libtorch was built on a newer system than this one: ${rebuild(clone)}`,
  },
  {
    words: /ld-linux-x86-64\.so|Error relocating/,
    solution: (clone) =>
      `this system's C library is not glibc (Alpine's is musl): use an image with glibc, such as node:20-slim, or ${rebuild(clone)}`,
  },
  { words: /need a processor with/, solution: rebuild },
  {
    words: /not the file of its manifest|broken, no manifest/,
    solution: (clone) => `the file is broken: ${reinstall(clone)}`,
  },
  {
    words: /undefined symbol|Symbol not found|did not self-register|NODE_MODULE_VERSION/,
    solution: (clone) => `the module was built for another libtorch or another Node.js: ${rebuild(clone)}`,
  },
  {
    words: /invalid ELF header|file too short|wrong ELF class|not a mach-o|slice is not valid/i,
    solution: (clone) =>
      `the file is broken or for another kind of machine: delete it, then ${clone ? rebuild(clone) : setUp(clone)}`,
  },
];

/**
 * What can be done about a native module that does not load.
 * @param attempts what was tried, each with the loader's own words
 * @param clone whether papo's folder holds the sources
 */
export function loadSolutions(attempts: readonly string[], clone = true): string[] {
  const found = causes.filter(({ words }) => attempts.some((attempt) => words.test(attempt)));
  const solutions = new Set(found.map(({ solution }) => solution(clone)));
  return [...(solutions.size > 0 ? solutions : [setUp(clone)]), "run `papo doctor` for what this machine has"];
}
