// ctcLoss against float64, its gradient by hand against central differences; dispatches per step.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

// The gradient of ctcLoss is that by the logits.
const CTC = { layouts: [], f16: false, second: false, tolerance: 2e-6 } as const;
checkOp(wg.ctcLoss, {
  ...CTC,
  shapes: [[6, 2, 4], { shape: [2, 3], dtype: "i32", values: [1, 1, 2, 3, 2, -1] }],
  call: (x, targets) => wg.ctcLoss(x.logSoftmax(2), targets, [6, 4], wg.tensor(new Int32Array([3, 2]))),
});
checkOp(wg.ctcLoss, {
  ...CTC,
  shapes: [[4, 3, 3], { shape: [4], dtype: "i32", values: [0, 2, 0, 0] }],
  call: (x, targets) =>
    wg.ctcLoss(x.logSoftmax(2), targets, [4, 4, 2], [2, 0, 2], { blank: 1, reduction: "sum", zeroInfinity: true }),
});
test("ctcLoss: dispatches are linear in the length, of shaders that steps share", () => {
  const plan = (length: number): { dispatches: number; shaders: number } => {
    const logits = wg.tensor(new Float32Array(length * 3 * 5), { shape: [length, 3, 5], requiresGrad: true });
    const targets = wg.tensor(new Int32Array([1, 2, 3, 4, 1, 2]), { shape: [3, 2] });
    const loss = wg.ctcLoss(logits.logSoftmax(2), targets, [length, length, length], [2, 2, 2]);
    const { kernels } = wg.explain(loss, ...wg.grad(loss, [logits]));
    return { dispatches: kernels.length, shaders: new Set(kernels.map(({ wgsl }) => wgsl)).size };
  };
  const [eight, twelve, sixteen] = [plan(8), plan(12), plan(16)];
  assert.ok(twelve.dispatches - eight.dispatches <= 4 * 2);
  assert.is(sixteen.dispatches - twelve.dispatches, twelve.dispatches - eight.dispatches);
  assert.is(sixteen.shaders, twelve.shaders);
});

test.run();
