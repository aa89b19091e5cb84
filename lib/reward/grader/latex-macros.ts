// Which LaTeX macros and environments take arguments, and how the text of a macro is made of theirs.
import { latexSymbols } from "./latex-symbols.ts";
import { strip } from "./python-text.ts";

/** LaTeX that has no text form, where pylatexenc raises too. */
export class UnreadableLatex extends Error {
  override readonly name = "UnreadableLatex";
}

/** Texts of a macro's arguments, "" for an absent optional one; undefined when they could not be read. */
export type MacroArguments = readonly string[] | undefined;

const wrappers =
  "overline underline widehat widetilde wideparen overleftarrow overrightarrow overleftrightarrow underleftarrow " +
  "underrightarrow underleftrightarrow overbrace underbrace overgroup undergroup overbracket underbracket " +
  "overlinesegment underlinesegment overleftharpoon overrightharpoon";
const textStyles = "text textrm textit textbf textsc textsl emph mathrm";
// Their argument is read and dropped.
const silent = "mbox textmd textsf texttt textup label ensuremath input include hypersetup";

/** `{` a required argument (a group or one token), `[` an optional one, `*` an optional star. */
const macroSpecs = specTable({
  "{": `${wrappers} ${textStyles} ${silent} mathbb mathbf mathit mathsf mathtt mathcal mathscr mathfrak ket bra not vec dot hat check breve acute grave tilde bar ddot ' \` " c ^ ~ H k = b . d r u v`,
  "{{": "frac nicefrac braket ketbra",
  "[{": "sqrt hphantom vphantom xleftarrow xrightarrow color pagecolor footnote",
  "[{{": "textcolor colorbox",
  "*{": "hspace vspace",
  "*[": "\\",
});

const environmentSpecs = specTable({
  "{": "tabular alignat alignat*",
  "[{": "array",
  "[": "figure table enumerate itemize description",
});

const combining: ReadonlyMap<string, string> = new Map([
  ...pairs("' \u0301 acute \u0301 ` \u0300 grave \u0300 ^ \u0302 hat \u0302 ~ \u0303 tilde \u0303 vec \u20d7"),
  ...pairs('" \u0308 ddot \u0308 . \u0307 dot \u0307 u \u0306 breve \u0306 v \u030c check \u030c not \u0338'),
  ...pairs("= \u0304 bar \u0305 c \u0327 H \u030b k \u0328 b \u0331 d \u0323 r \u030a"),
]);

/** First code points of the upper and lower case of Unicode's mathematical alphabets, and the letters that lie elsewhere. */
const alphabets: Readonly<Record<string, { upper: number; lower: number; elsewhere?: Record<string, string> }>> = {
  mathbf: { upper: 0x1d400, lower: 0x1d41a },
  mathit: { upper: 0x1d434, lower: 0x1d44e, elsewhere: { h: "ℎ" } },
  mathcal: { upper: 0x1d49c, lower: 0x1d4b6, elsewhere: lettersElsewhere("BℬEℰFℱHℋIℐLℒMℳRℛeℯgℊoℴ") },
  mathscr: { upper: 0x1d49c, lower: 0x1d4b6, elsewhere: lettersElsewhere("BℬEℰFℱHℋIℐLℒMℳRℛeℯgℊoℴ") },
  mathfrak: { upper: 0x1d504, lower: 0x1d51e, elsewhere: lettersElsewhere("CℭHℌIℑRℜZℨ") },
  mathbb: { upper: 0x1d538, lower: 0x1d552, elsewhere: lettersElsewhere("CℂHℍNℕPℙQℚRℝZℤ") },
  mathsf: { upper: 0x1d5a0, lower: 0x1d5ba },
  mathtt: { upper: 0x1d670, lower: 0x1d68a },
};

// Arguments by position. pylatexenc leaves such a form as it is when the arguments are missing.
const forms: ReadonlyMap<string, string> = new Map([
  ...["frac", "nicefrac", "textfrac"].map((name) => [name, "%s/%s"] as const),
  ...wrappers.split(" ").map((name) => [name, "%s"] as const),
  ["ket", "|%s⟩"],
  ["bra", "⟨%s|"],
  ["braket", "⟨%s|%s⟩"],
  ["ketbra", "|%s⟩⟨%s|"],
]);

/** Argument pattern of a macro; "" when it takes none or is unknown. */
export function macroSpec(name: string): string {
  return macroSpecs.get(name) ?? "";
}

/** Argument pattern of an environment. */
export function environmentSpec(name: string): string {
  return environmentSpecs.get(name) ?? "";
}

/**
 * Text of a macro; an unknown one has none (its groups, if any, follow as plain text).
 * @throws {UnreadableLatex} for a root without its argument
 */
export function macroText(name: string, given: MacroArguments): string {
  const form = forms.get(name);
  if (form !== undefined) return given === undefined ? form : fillForm(form, given);
  const accent = combining.get(name);
  if (accent !== undefined) return accented(given === undefined ? " " : strip(given[0] ?? ""), accent);
  const alphabet = alphabets[name];
  if (alphabet !== undefined) return Array.from(given?.[0] ?? "", (letter) => styled(letter, alphabet)).join("");
  if (name === "sqrt") return `√(${last(name, given)})`;
  if (name === "footnote") return `[${last(name, given)}]`;
  if (name === "textcolor" || name === "colorbox") return last(name, given);
  if (textStyles.split(" ").includes(name)) return (given ?? []).join("");
  return latexSymbols.get(name) ?? "";
}

function fillForm(form: string, given: readonly string[]): string {
  const texts = form.split("%s");
  return texts.map((text, index) => text + (index < texts.length - 1 ? (given[index] ?? "") : "")).join("");
}

function last(name: string, given: MacroArguments): string {
  const text = given?.at(-1);
  if (text === undefined) throw new UnreadableLatex(`\\${name} without its argument`);
  return text;
}

function accented(text: string, accent: string): string {
  return Array.from(text, (letter) => {
    const base = letter === "ı" ? "i" : letter === "ȷ" ? "j" : letter;
    return (base + accent).normalize("NFC");
  }).join("");
}

function styled(
  letter: string,
  alphabet: { upper: number; lower: number; elsewhere?: Record<string, string> },
): string {
  const other = alphabet.elsewhere?.[letter];
  if (other !== undefined) return other;
  const code = letter.charCodeAt(0);
  if (/^[A-Z]$/.test(letter)) return String.fromCodePoint(alphabet.upper + code - 65);
  return /^[a-z]$/.test(letter) ? String.fromCodePoint(alphabet.lower + code - 97) : letter;
}

function specTable(specs: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(specs).flatMap(([spec, names]) => names.split(" ").map((name) => [name, spec] as const)),
  );
}

function pairs(text: string): [string, string][] {
  const words = text.split(" ");
  return words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? ""] as [string, string]] : []));
}

function lettersElsewhere(text: string): Record<string, string> {
  return Object.fromEntries(Array.from(text.matchAll(/(.)(.)/gu), ([, letter = "", other = ""]) => [letter, other]));
}
