/** Also in package.json's engines and scripts/setup.mjs. */
const minimum = [20, 19] as const;

/** Why this Node.js does not do, `20.18.1` for one; undefined when it does. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > minimum[0] || (major === minimum[0] && minor >= minimum[1])) return undefined;
  return `Node.js is ${version}, papo needs ${minimum.join(".")} or newer`;
}
