// Writes docs/ops.md: npm run docs

import { writeFileSync } from "node:fs";
import { opsPage } from "./ops-page.ts";

writeFileSync("docs/ops.md", opsPage());
console.log("docs/ops.md is written");
