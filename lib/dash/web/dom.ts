// Elements in one expression. Text only ever becomes text: nothing here reads HTML.

type Child = Node | string | false | undefined;
type Properties = Readonly<Record<string, string | boolean | ((event: never) => void) | undefined>>;

/** @param properties attributes (true: without a value; false and undefined: none) and `onclick`-like listeners */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as (event: Event) => void);
    else if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== false && child !== undefined));
  return element;
}

/** A list of choices; `onChoose` gets the chosen value. */
export function select(
  choices: readonly { readonly value: string; readonly label: string }[],
  chosen: string,
  onChoose: (value: string) => void,
): HTMLSelectElement {
  const options = choices.map(({ value, label }) => h("option", { value, selected: value === chosen }, label));
  return h("select", { onchange: ({ target }: Event) => { onChoose((target as HTMLSelectElement).value); } }, ...options); // prettier-ignore
}

/** What is shown where there is nothing. */
export function emptyState(title: string, text: string): HTMLElement {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text));
}
