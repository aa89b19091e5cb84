// Loaded by every Node.js that runs ES modules, however old: nothing newer than ES2020 here.

/** The first version that papo runs on, as `engines` of package.json has it; also in scripts/setup.mjs. */
export const oldestNode = "20.19";

/**
 * What to say about a Node.js that is too old; undefined for one that is not.
 * @param version e.g. `20.19.0`
 */
export function oldNodeText(version: string): string | undefined {
  const [major, minor] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = oldestNode.split(".").map(Number);
  const isOld = Number(major) < Number(oldestMajor) || (major === oldestMajor && Number(minor) < Number(oldestMinor));
  return isOld
    ? `papo: Node.js ${oldestNode} or newer is needed, this is ${version}; https://nodejs.org has it\n`
    : undefined;
}
