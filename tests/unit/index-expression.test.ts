// Index arithmetic: simplification must never change a value.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { stridesOf } from "../../src/base/shape.ts";
import {
  addIndex,
  constantIndex,
  decideCondition,
  delinearize,
  evaluateIndex,
  type Index,
  linearIndex,
  quotientIndex,
  remainderIndex,
  scaleIndex,
  substitute,
  variable,
} from "../../src/graph/index-expression.ts";

/** A small deterministic generator of whole numbers below n. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

test("random expressions of sums, quotients and remainders keep their values", () => {
  const random = generator(7);
  for (let round = 0; round < 400; round++) {
    const sizes = { a: 1 + random(12), b: 1 + random(8), c: 1 + random(5) };
    const build = (depth: number): { index: Index; evaluate: (v: Record<string, number>) => number } => {
      const kind = depth === 0 ? random(2) : random(6);
      if (kind === 0) {
        const n = random(9);
        return { index: constantIndex(n), evaluate: () => n };
      }
      if (kind === 1) {
        const name = ["a", "b", "c"][random(3)] as "a" | "b" | "c";
        return { index: variable(name, sizes[name]), evaluate: (v) => v[name] as number };
      }
      const x = build(depth - 1);
      if (kind === 2) {
        const y = build(depth - 1);
        return { index: addIndex(x.index, y.index), evaluate: (v) => x.evaluate(v) + y.evaluate(v) };
      }
      const n = 1 + random(12);
      if (kind === 3) return { index: scaleIndex(x.index, n), evaluate: (v) => x.evaluate(v) * n };
      if (kind === 4) return { index: quotientIndex(x.index, n), evaluate: (v) => Math.floor(x.evaluate(v) / n) };
      return { index: remainderIndex(x.index, n), evaluate: (v) => x.evaluate(v) % n };
    };
    const { index, evaluate } = build(4);
    for (let trial = 0; trial < 12; trial++) {
      const values = { a: random(sizes.a), b: random(sizes.b), c: random(sizes.c) };
      const expected = evaluate(values);
      const found = evaluateIndex(index, new Map(Object.entries(values)));
      assert.is(found, expected, `${index.key} at ${JSON.stringify(values)}`);
      assert.ok(index.min <= found && found <= index.max, `range of ${index.key}`);
    }
  }
});

test("a linear index taken apart and put together again is itself", () => {
  const shape = [4, 6, 5];
  const flat = variable("t", 120);
  const again = linearIndex(delinearize(flat, shape), stridesOf(shape));
  assert.is(again.key, flat.key);
});

test("four lanes of a flat index stay one step apart through a reshape", () => {
  const flat = addIndex(scaleIndex(variable("t", 30), 4), variable("v", 4));
  const [row, column] = delinearize(flat, [10, 12]) as [Index, Index];
  assert.is(linearIndex([row, column], [12, 1]).key, flat.key);
  assert.is(
    substitute(row, new Map([["v", constantIndex(0)]])).key,
    substitute(row, new Map([["v", constantIndex(3)]])).key,
  );
});

test("conditions are decided where ranges decide them", () => {
  const a = variable("a", 8);
  assert.is(decideCondition({ kind: "range", index: a, low: 0, high: 8 }), true);
  assert.is(decideCondition({ kind: "range", index: a, low: 9, high: 12 }), false);
  assert.is(decideCondition({ kind: "range", index: a, low: 1, high: 8 }), undefined);
  assert.is(decideCondition({ kind: "divisible", index: scaleIndex(a, 4), divisor: 2 }), true);
  assert.is(decideCondition({ kind: "divisible", index: a, divisor: 2 }), undefined);
});

test.run();
