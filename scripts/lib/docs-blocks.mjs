// The generated parts of docs/*.md, each between two comments: <!-- generated: NAME --> and <!-- end of generated -->.

/**
 * @typedef {import("../../lib/config/setting-docs.ts").SettingGroup} SettingGroup
 * @typedef {import("../../lib/config/setting-docs.ts").SettingDoc} SettingDoc
 * @typedef {import("../../lib/config/easyr1-keys.ts").ReferenceKey} ReferenceKey
 * @typedef {import("../../lib/config/schema.ts").RunConfig} RunConfig
 * @typedef {object} Sources what the parts are made from
 * @property {readonly SettingGroup[]} settings
 * @property {ReadonlyMap<string, ReferenceKey>} referenceKeys
 * @property {readonly (readonly [name: string, run: RunConfig])[]} recipes
 */

const code = (/** @type {unknown} */ text) => `\`${String(text)}\``;
const cell = (/** @type {string} */ text) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows Markdown; a code span may not hold a |
 */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** @param {SettingDoc} setting */
function settingRow({ key, rule, fallback, meaning, needs }) {
  const value = fallback === undefined ? "required" : code(JSON.stringify(fallback));
  const conditions = needs.map((need) => `Needs ${need}.`).join(" ");
  return [code(key), cell(rule), value, cell(`${meaning}. ${conditions}`.trim())];
}

/** @param {Sources} sources */
function settings({ settings: groups }) {
  return groups
    .filter((group) => group.settings.length > 0)
    .map(({ key, meaning, settings: rows }) => {
      const title = key === "" ? "### The run itself" : `### ${code(key)}\n\n${meaning}.`;
      return `${title}\n\n${table(["Key", "Value", "Default", "Meaning"], rows.map(settingRow))}`;
    })
    .join("\n\n");
}

/** @param {Sources} sources */
function referenceNames({ referenceKeys }) {
  const moved = [...referenceKeys].flatMap(([key, rule]) => {
    const name = "to" in rule ? rule.to : "joint" in rule ? rule.means : undefined;
    return name === undefined ? [] : [[code(key), code(name)]];
  });
  return table(["EasyR1 and the published code", "papo"], moved);
}

/** @param {Sources} sources */
function referenceRest({ referenceKeys }) {
  const rows = [...referenceKeys].flatMap(([key, rule]) => {
    if ("ignored" in rule) return [[code(key), `no use here: ${rule.ignored}`]];
    if ("neverRead" in rule) return [[code(key), `never read there: ${rule.neverRead}`]];
    if ("only" in rule)
      return [[code(key), `${rule.only.length === 0 ? "left out" : `only ${rule.only.join(", ")}`}: ${rule.why}`]];
    return [];
  });
  /** @type {Map<string, string[]>} */
  const byReason = new Map();
  for (const [key = "", reason = ""] of rows) byReason.set(reason, [...(byReason.get(reason) ?? []), key]);
  return table(
    ["What becomes of them", "Keys"],
    [...byReason].map(([reason, keys]) => [cell(reason), keys.join(", ")]),
  );
}

const blankZero = (/** @type {number} */ value) => (value === 0 ? "" : String(value));

/** @param {Sources} sources */
function recipes({ recipes: runs }) {
  const isTwin = (/** @type {string} */ name) => name.endsWith("-recompute");
  const twins = new Set(
    runs
      .map(([name]) => name)
      .filter(isTwin)
      .map((name) => name.replace(/-recompute$/, "")),
  );
  const rows = runs
    .filter(([name]) => !isTwin(name))
    .map(([name, { model, algorithm }]) => {
      const { klPrcp, entropy, klRef, filter, clipRatioLow, clipRatioHigh } = algorithm;
      const checkpoint = name.startsWith("miniature") ? "the shipped tiny model" : code(model.path);
      return [
        `${code(name)}${twins.has(name) ? " †" : ""}`,
        checkpoint,
        klPrcp.enabled ? String(klPrcp.coef) : "",
        blankZero(entropy.oriCoef),
        blankZero(entropy.augCoef),
        klRef.mode === "off" ? "" : String(klRef.coef),
        `${clipRatioLow}, ${clipRatioHigh}`,
        filter.enabled ? "yes" : "",
      ];
    });
  return table(["Recipe", "Model", "γ", "η₁", "η₂", "β", "Clips", "Filter"], rows);
}

/** @type {Readonly<Record<string, (sources: Sources) => string>>} */
const blocks = { settings, "reference-names": referenceNames, "reference-rest": referenceRest, recipes };

const marks = /(<!-- generated: ([\w-]+) -->\n)[^]*?(<!-- end of generated -->)/g;

/**
 * A page with its generated parts as they should be.
 * @param {string} page Markdown
 * @param {Sources} sources
 */
export function fillBlocks(page, sources) {
  return page.replaceAll(marks, (_, begin, name, end) => {
    const block = blocks[name];
    if (block === undefined) throw new Error(`no generated part is called ${name}: ${Object.keys(blocks).join(", ")}`);
    return `${begin}\n<!-- prettier-ignore-start -->\n\n${block(sources)}\n\n<!-- prettier-ignore-end -->\n\n${end}`;
  });
}
