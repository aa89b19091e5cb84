// HTML as text in which whatever is put in is inert: every value of a template is escaped unless it is HTML already.

/** HTML that came out of a template. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = Html | readonly Html[] | string | number;

/** `html\`<p title="${text}">${parts}</p>\``: attributes have to be quoted. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  const parts = strings.map((text, index) => text + (index < values.length ? written(values[index] ?? "") : ""));
  return new Html(parts.join(""));
}

function written(value: Value): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "string" || typeof value === "number") return escapeHtml(String(value));
  return value.map(({ text }) => text).join("");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and quoted attributes; control characters and lone surrogates become U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll(/\r\n?/gu, "\n")
    .replaceAll(/(?![\n\t])[\p{Cc}\p{Cs}]/gu, "\u{fffd}")
    .replaceAll(/[&<>"']/gu, (character) => entities[character] ?? "");
}
