// What the commands and words of LaTeX answers stand for.
import { constantNames } from "./expression.ts";

const greek =
  "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi " +
  "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell emptyset varnothing angle triangle";
/** Commands that are symbols. */
export const symbols = new Map<string, string>([
  ...greek.split(" ").map((name): [string, string] => [name, `\\${name}`]),
  ["varnothing", "\\emptyset"],
  ["pi", constantNames.pi],
  ["infty", constantNames.infinity],
]);

/** The commands that are each sign of the parser's. */
const commandsOfSigns: Readonly<Record<string, string>> = {
  "*": "cdot times ast bullet",
  "/": "div",
  "±": "pm",
  "∓": "mp",
  ":": "colon",
  ",": "land lor Rightarrow",
  "|": "mid vert lvert rvert",
  "=": "equiv",
  "≤": "le leq leqslant",
  "≥": "ge geq geqslant",
  "≠": "ne neq",
  "<": "lt",
  ">": "gt",
  "≈": "approx",
  "∈": "in",
  "∪": "cup",
  "∩": "cap",
  "∖": "setminus",
  "≅": "cong",
  "~": "sim",
  "→": "to rightarrow",
  "∥": "parallel",
  "⊥": "perp",
  "(": "langle",
  ")": "rangle",
  "\\{": "{ lbrace",
  "\\}": "} rbrace",
  "⌊": "lfloor",
  "⌋": "rfloor",
  "⌈": "lceil",
  "⌉": "rceil",
  "%": "%",
  "°": "circ degree",
  "'": "prime",
  mod: "bmod mod",
  "\\\\": "\\",
};
/** Commands that are a sign of the parser's. */
export const signs = new Map<string, string>(
  Object.entries(commandsOfSigns).flatMap(([sign, names]) => names.split(" ").map((name) => [name, sign] as const)),
);
export const commands = new Set(
  "frac dfrac tfrac cfrac sqrt binom dbinom tbinom choose overline bar hat vec overrightarrow boxed fbox sum prod begin end".split(
    " ",
  ),
);
/** Commands whose braces hold words or units. */
export const textual = new Set(
  "text textbf textit textrm textup textsf texttt mbox hbox mathrm mathbf mathit mathsf rm operatorname".split(" "),
);
/** What leaves no trace: spacing, size, style. */
export const invisible = new Set(
  "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr quad qquad displaystyle textstyle limits nolimits mathbb mathcal mathop $ , ; : ! space enspace thinspace hline"
    .split(" ")
    .concat(" "),
);

const units = new Set(
  (
    "cm mm km ml kg mg lb lbs oz ft in mi yd mph kph hr hrs min sec feet foot inch inches mile miles meter meters metre metres " +
    "square cubic unit units sq hour hours minute minutes second seconds day days week weeks month months year years " +
    "dollar dollars cent cents degree degrees percent people ways"
  ).split(" "),
);

/** Whether a word measures: it may stand behind a value without changing it. */
export const isUnit = (word: string): boolean => units.has(word.toLowerCase());
