// Every op has a line in tests/gpu/ops-*.test.ts that compares it with float64, or a reason why not.

import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as functions from "../../src/ops/functions.ts";
import * as methods from "../../src/ops/methods.ts";

/** Ops without a line, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  alphaDropout: "random: tests/gpu/random.test.ts",
  bernoulli: "random: tests/gpu/random.test.ts",
  dropout: "random: tests/gpu/random.test.ts",
  dropout2d: "random: tests/gpu/random.test.ts",
  multinomial: "random: tests/gpu/random.test.ts",
  rand: "random: tests/gpu/random.test.ts",
  randLike: "random: tests/gpu/random.test.ts",
  randint: "random: tests/gpu/random.test.ts",
  randn: "random: tests/gpu/random.test.ts",
  randnLike: "random: tests/gpu/random.test.ts",
  randperm: "random: tests/gpu/random.test.ts",
  tensor: "every line makes its inputs with it",
  uploadable: "the same as tensor, without the copy",
};

function linesOf(folder: string): Set<string> {
  const found = new Set<string>();
  for (const file of readdirSync(folder)) {
    if (!/^ops-.*\.test\.ts$/.test(file)) continue;
    const source = readFileSync(`${folder}/${file}`, "utf8");
    for (const match of source.matchAll(/\bcheck[A-Z]\w*\(\s*wg\.(\w+)/g)) found.add(match[1] as string);
    // A loop over ops: for (const op of [wg.softmax, …]) checkOp(op, …
    for (const match of source.matchAll(/\bfor \(const op of \[([^\]]*)\]\)/g)) {
      for (const name of (match[1] as string).matchAll(/wg\.(\w+)/g)) found.add(name[1] as string);
    }
  }
  return found;
}

const checked = linesOf("tests/gpu");

for (const [kind, ops] of Object.entries({ methods, functions })) {
  test(`every op of ${kind}.ts has a line or a reason`, () => {
    const missing = Object.entries(ops)
      .filter(([name, op]) => typeof op === "function" && !checked.has(name) && EXCEPTIONS[name] === undefined)
      .map(([name]) => name);
    assert.equal(missing, [], "add lines to tests/gpu/ops-*.test.ts");
  });
}

test("no exception is out of date", () => {
  const names = Object.keys(EXCEPTIONS);
  assert.equal(
    names.filter((name) => checked.has(name)),
    [],
    "they have lines",
  );
  const ops: Record<string, unknown> = { ...functions, ...methods };
  assert.equal(
    names.filter((name) => ops[name] === undefined),
    [],
    "there are no such ops",
  );
});

test.run();
