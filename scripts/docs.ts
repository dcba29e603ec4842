// Writes what is generated from the source: the interfaces of Tensor's methods, docs/ops.md and docs/api. npm run docs

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { apiPages } from "./api-pages.ts";
import { ApiReader } from "./api-reader.ts";
import { INTERFACES, methodTypes } from "./method-types.ts";
import { opsPage } from "./ops-page.ts";

const reader = new ApiReader();
const files = new Map<string, string>([["docs/ops.md", opsPage(reader)], ...apiPages(reader)]);
for (const one of INTERFACES) files.set(one.to, methodTypes(reader, one));
reader.close();
for (const [path, text] of files) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
console.log(`written: ${[...files.keys()].join(", ")}`);
