// Every table and figure of the paper that needs training or evaluation, by name: what `papo reproduce` goes through.
import type { TableDefinition } from "./definition.ts";
import { figure1 } from "./figure1.ts";
import { figure10 } from "./figure10.ts";
import { figure11 } from "./figure11.ts";
import { figure12 } from "./figure12.ts";
import { figure4 } from "./figure4.ts";
import { figure5 } from "./figure5.ts";
import { figure8 } from "./figure8.ts";
import { figure9 } from "./figure9.ts";
import { table1 } from "./table1.ts";
import { table10 } from "./table10.ts";
import { table11 } from "./table11.ts";
import { table12 } from "./table12.ts";
import { table13 } from "./table13.ts";
import { table14 } from "./table14.ts";
import { table2 } from "./table2.ts";
import { table3 } from "./table3.ts";
import { table4 } from "./table4.ts";
import { table5 } from "./table5.ts";
import { table8 } from "./table8.ts";
import { table9 } from "./table9.ts";

const definitions: readonly TableDefinition[] = [
  ...[table1, table2, table3, table4, table5, table8, table9, table10, table11, table12, table13, table14],
  ...[figure1, figure4, figure5, figure8, figure9, figure10, figure11, figure12],
];

export const tables: Readonly<Record<string, TableDefinition>> = Object.fromEntries(
  definitions.map((definition) => [definition.name, definition]),
);
