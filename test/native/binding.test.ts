import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { loadNative, packageRoot } from "../../lib/native/load.ts";

const file = join(packageRoot, "lib", "native", "binding.ts");
const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext, true);

function methodsOf(interfaceName: string): string[] {
  const found = source.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === interfaceName,
  ) as ts.InterfaceDeclaration | undefined;
  if (!found) throw new Error(`binding.ts declares no ${interfaceName}`);
  return found.members.filter(ts.isMethodSignature).map((member) => member.name.getText(source));
}

test("the addon exports the functions that the binding declares, and no other", () => {
  const native = loadNative();
  const declared = methodsOf("NativeModule");
  if (native.runtimeInfo().testing) declared.push(...methodsOf("NativeTesting"));
  expect(Object.keys(native).sort()).toEqual(declared.sort());
  for (const exported of Object.values(native)) expect(exported).toBeTypeOf("function");
});
