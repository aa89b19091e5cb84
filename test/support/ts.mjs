// `node --import test/support/ts.mjs x.ts`: runs TypeScript as it stands, for the children that tests start.
// typescript strips the types, because Node 20 cannot.
import { register } from "node:module";

register("./ts-hooks.mjs", import.meta.url);
