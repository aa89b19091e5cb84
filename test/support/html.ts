// A page read back by a parser that is not ours.
import { parsers } from "prettier/plugins/html";

export interface Node {
  /** Of an element; undefined for text. */
  readonly name: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  /** Own text and that of its children, character references resolved. */
  readonly text: string;
  readonly children: readonly Node[];
}

interface Parsed {
  readonly type: string;
  readonly name?: string;
  readonly value?: string;
  readonly attrs?: readonly { readonly name: string; readonly value: string | null }[];
  readonly children?: readonly Parsed[];
}

export async function parseHtml(text: string): Promise<Node> {
  const options = { originalText: text, parser: "html", filepath: "page.html" };
  return toNode((await parsers.html.parse(text, options as never)) as Parsed);
}

function toNode({ name, value = "", attrs = [], children = [] }: Parsed): Node {
  const inner = children.map(toNode);
  return {
    name,
    attributes: Object.fromEntries(attrs.map((attribute) => [attribute.name, resolved(attribute.value ?? "")])),
    text: resolved(value) + inner.map((child) => child.text).join(""),
    children: inner,
  };
}

const references: Readonly<Record<string, string>> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" }; // prettier-ignore

function resolved(text: string): string {
  return text.replaceAll(/&[#\w]+;/gu, (reference) => references[reference] ?? `UNKNOWN ${reference}`);
}

/** All elements below, in order. */
export function elements(node: Node): Node[] {
  return node.children.flatMap((child) => [...(child.name === undefined ? [] : [child]), ...elements(child)]);
}

export function withClass(node: Node, name: string): Node[] {
  return elements(node).filter(({ attributes }) => (attributes["class"] ?? "").split(" ").includes(name));
}
