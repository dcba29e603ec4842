// Memory layout: blocks alive together never overlap, and little is wasted.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Interval, layOut, liveBytesOf } from "../../src/schedule/memory.ts";

test("random lifetimes are laid out without overlap and near the bound", () => {
  let state = 3;
  const random = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  for (let round = 0; round < 50; round++) {
    const blocks: Interval[] = Array.from({ length: 60 }, () => {
      const start = random(40);
      return { start, end: start + random(6), bytes: 256 * (1 + random(64)) };
    });
    const { offsets, size } = layOut(blocks, 256);
    const peak = liveBytesOf(blocks, 256);
    blocks.forEach((a, i) => {
      assert.is((offsets[i] as number) % 256, 0);
      blocks.forEach((b, j) => {
        if (j <= i || a.end < b.start || b.end < a.start) return;
        const [x, y] = [offsets[i] as number, offsets[j] as number];
        assert.ok(x + a.bytes <= y || y + b.bytes <= x, `blocks ${i} and ${j} overlap`);
      });
    });
    assert.ok(peak <= size && size <= peak * 1.35, `${size} bytes for a bound of ${peak}`);
  }
});

test("nothing to lay out takes no memory", () => {
  assert.equal(layOut([], 256), { offsets: [], size: 0 });
  assert.is(liveBytesOf([], 256), 0);
});

test.run();
