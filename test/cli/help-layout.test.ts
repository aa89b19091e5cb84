import { expect, test } from "vitest";
import type { Command } from "@commander-js/extra-typings";
import { createCommandLine } from "../../lib/cli/commands.ts";

/** Help of the whole command line and of each command, as a terminal of that many columns gets it. */
function helps(columns: number): string[] {
  const texts: string[] = [];
  const visit = (command: Command) => {
    command.configureOutput({ getOutHelpWidth: () => columns });
    texts.push(command.helpInformation());
    command.commands.forEach((inner) => {
      visit(inner as Command);
    });
  };
  visit(createCommandLine());
  return texts;
}

test.each([40, 60, 80, 120])("in %i columns no line of a description is wider than the terminal", (columns) => {
  const lines = helps(columns).flatMap((text) => text.split("\n"));
  expect(lines.length).toBeGreaterThan(100);
  // Usage lines and names of options are what they are.
  const described = lines.filter((line) => /^ {6}/u.test(line) || /^ {2}\S.* {2,}\S/u.test(line));
  expect(described.length).toBeGreaterThan(100);
  expect(described.filter((line) => line.length > columns)).toEqual([]);
});

test("a narrow terminal has descriptions below what they describe, a wide one beside it", () => {
  expect(helps(40)[0]).toMatch(/^ {2}doctor \[options\]\n {6}print versions and what the\n/mu);
  expect(helps(120)[0]).toMatch(/^ {2}doctor \[options\] {2,}print versions and what the machine offers/mu);
});
