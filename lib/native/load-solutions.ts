const setUp = "run `npm run setup` in papo's folder: it prepares libtorch and builds the module";
const rebuild = "run `npm run build:native` in papo's folder: it builds the module for this machine";

/** What a loader's words mean and what to do, the most telling first. */
const causes: readonly { readonly words: RegExp; readonly solution: string }[] = [
  {
    words: /lib(cudart|cupti|cu\w+|nv\w+|nccl)[^ ]*: cannot open shared object file/,
    solution:
      "libtorch is a CUDA build whose CUDA libraries are not beside it: install torch with its nvidia-* packages, " +
      "or unset PAPO_LIBTORCH and run `npm run setup`",
  },
  {
    words: /lib(torch|c10|gomp)[^ ]*: cannot open shared object file|Library not loaded/,
    solution: "libtorch is not where it was when the module was built: run `npm run setup` in papo's folder",
  },
  {
    words: /version `(GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found/,
    solution: `the module or libtorch was built on a newer system than this one: ${rebuild}`,
  },
  {
    words: /undefined symbol|Symbol not found|did not self-register|NODE_MODULE_VERSION/,
    solution: `the module was built for another libtorch or another Node.js: ${rebuild}`,
  },
  {
    words: /invalid ELF header|file too short|wrong ELF class|not a mach-o|slice is not valid/i,
    solution: `the file is broken or for another kind of machine: delete it, then ${rebuild}`,
  },
];

/**
 * What can be done about a native module that does not load.
 * @param attempts what was tried, each with the loader's own words
 */
export function loadSolutions(attempts: readonly string[]): string[] {
  const found = causes.filter(({ words }) => attempts.some((attempt) => words.test(attempt)));
  const solutions = found.map(({ solution }) => solution);
  return [...(solutions.length > 0 ? solutions : [setUp]), "run `papo doctor` for what this machine has"];
}
