// What README says of commands and defaults is so.

import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readOptions, usage } from "../../examples/mnist-mlp/options.ts";

const readme = readFileSync("README.md", "utf8");

test("npm test -- WORD names files, npm run NAME is a script", () => {
  const files = readdirSync("tests", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
  const words = [...readme.matchAll(/npm test -- (\w+)/g)].map((match) => match[1] as string);
  assert.ok(words.length > 0);
  for (const word of words)
    assert.ok(
      files.some((file) => file.includes(word)),
      word,
    );
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const names = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] as string);
  assert.ok(names.length > 5);
  for (const name of names) assert.ok(name in scripts, name);
});

test("the example's defaults are those that README gives a result for", () => {
  const [, epochs, seed] = /With the defaults \((\d+) epochs, seed (\d+)\)/.exec(readme) ?? [];
  const options = readOptions([]);
  assert.equal([options?.epochs, options?.seed], [Number(epochs), Number(seed)]);
  assert.match(usage, new RegExp(`--epochs N .*\\(default ${epochs}\\)`));
  assert.match(usage, new RegExp(`--seed N .*\\(default ${seed}\\)`));
});

test.run();
