// docs/ops.md says what the source says, of every op.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ApiReader } from "../../scripts/api-reader.ts";
import { opsPage } from "../../scripts/ops-page.ts";
import * as functions from "../../src/ops/functions.ts";
import * as methods from "../../src/ops/methods.ts";

const reader = new ApiReader();
const page = opsPage(reader);
reader.close();

test("docs/ops.md is what npm run docs writes", () => {
  const written = readFileSync("docs/ops.md", "utf8").split("\n");
  const wrong = page.split("\n").filter((line) => !written.includes(line));
  assert.equal(wrong, [], "npm run docs would write these lines");
  assert.is(written.join("\n"), page, "npm run docs would write another order");
});

test("every op is on the page, with what recording it shows", () => {
  const named = new Set([...page.matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name));
  const missing = [...Object.keys(methods), ...Object.keys(functions)].filter((name) => !named.has(name));
  assert.equal(missing, [], "they have no docstring in front of their export");
  const unseen = [...page.matchAll(/^\| `(\w+)\(.*\| – \| – \|/gm)].map(([, name]) => name);
  assert.equal(unseen, [], "no golden calls them: add a case, or an example to scripts/ops-page.ts");
});

test.run();
