// Recurrent ops against float64; their gradients by hand against central differences; dispatches per step.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/tensor.ts";
import { checkOp } from "../support/check-op.ts";

const [T, B, I, H] = [3, 2, 3, 4];
const SMALL = { range: [-1, 1], layouts: [], f16: false, tolerance: 2e-6 } as const;

checkOp(wg.rnn, {
  ...SMALL,
  shapes: [[T, B, I], [B, H], [H, I], [H, H], [H], [H]],
  call: (x, h, weightIh, weightHh, biasIh, biasHh) => wg.rnn(x, h, { weightIh, weightHh, biasIh, biasHh }),
});
checkOp(wg.rnn, {
  ...SMALL,
  shapes: [
    [T, B, I],
    [H, I],
    [H, H],
  ],
  second: false,
  call: (x, weightIh, weightHh) => wg.rnn(x, null, { weightIh, weightHh }, { reverse: true, nonlinearity: "relu" }),
});
checkOp(wg.lstm, {
  ...SMALL,
  shapes: [[T, B, I], [B, H], [B, H], [4 * H, I], [4 * H, H], [4 * H], [4 * H]],
  call: (x, h, c, weightIh, weightHh, biasIh, biasHh) => {
    const [y, [last, cell]] = wg.lstm(x, [h, c], { weightIh, weightHh, biasIh, biasHh });
    return [y, last, cell];
  },
});
checkOp(wg.lstm, {
  ...SMALL,
  shapes: [
    [T, B, I],
    [4 * H, I],
    [4 * H, 2],
    [2, H],
  ],
  second: false,
  call: (x, weightIh, weightHh, weightHr) => {
    const [y, [last, cell]] = wg.lstm(x, null, { weightIh, weightHh, weightHr }, { reverse: true });
    return [y, last, cell];
  },
});
checkOp(wg.gru, {
  ...SMALL,
  second: false,
  shapes: [[T, B, I], [B, H], [3 * H, I], [3 * H, H], [3 * H], [3 * H]],
  call: (x, h, weightIh, weightHh, biasIh, biasHh) => wg.gru(x, h, { weightIh, weightHh, biasIh, biasHh }),
});
checkOp(wg.gru, {
  ...SMALL,
  shapes: [
    [T, B, I],
    [3 * H, I],
    [3 * H, H],
  ],
  second: false,
  call: (x, weightIh, weightHh) => wg.gru(x, null, { weightIh, weightHh }, { reverse: true }),
});
checkOp(wg.rnnCell, {
  ...SMALL,
  second: false,
  shapes: [[B, I], [B, H], [H, I], [H, H], [H], [H]],
  call: (x, h, weightIh, weightHh, biasIh, biasHh) => wg.rnnCell(x, h, { weightIh, weightHh, biasIh, biasHh }),
});
checkOp(wg.lstmCell, {
  ...SMALL,
  second: false,
  shapes: [[B, I], [B, H], [B, H], [4 * H, I], [4 * H, H], [4 * H], [4 * H]],
  call: (x, h, c, weightIh, weightHh, biasIh, biasHh) => wg.lstmCell(x, [h, c], { weightIh, weightHh, biasIh, biasHh }),
});
checkOp(wg.gruCell, {
  ...SMALL,
  second: false,
  shapes: [[B, I], [B, H], [3 * H, I], [3 * H, H], [3 * H], [3 * H]],
  call: (x, h, weightIh, weightHh, biasIh, biasHh) => wg.gruCell(x, h, { weightIh, weightHh, biasIh, biasHh }),
});

type Layer = (x: wg.Tensor, weightIh: wg.Tensor, weightHh: wg.Tensor) => wg.Tensor;
const kinds: readonly { name: string; gates: number; perStep: number; layer: Layer }[] = [
  { name: "rnn", gates: 1, perStep: 2, layer: (x, weightIh, weightHh) => wg.rnn(x, null, { weightIh, weightHh })[0] },
  { name: "gru", gates: 3, perStep: 4, layer: (x, weightIh, weightHh) => wg.gru(x, null, { weightIh, weightHh })[0] },
  { name: "lstm", gates: 4, perStep: 4, layer: (x, weightIh, weightHh) => wg.lstm(x, null, { weightIh, weightHh })[0] },
];

for (const { name, gates, perStep, layer } of kinds) {
  test(`${name}: a step is ${perStep} dispatches, forward and backward, at any length, of shaders that steps share`, () => {
    const leaf = (...shape: number[]): wg.Tensor =>
      wg.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape, requiresGrad: true });
    const plan = (length: number): { dispatches: number; shaders: number; forward: number } => {
      const inputs = [leaf(length, 8, 12), leaf(gates * 32, 12), leaf(gates * 32, 32)] as const;
      const output = layer(...inputs);
      const loss = output.square().sum();
      const { kernels } = wg.explain(loss, ...wg.grad(loss, inputs));
      return {
        dispatches: kernels.length,
        shaders: new Set(kernels.map(({ wgsl }) => wgsl)).size,
        forward: wg.kernels(output),
      };
    };
    const [four, eight, twelve] = [4, 8, 12].map(plan) as [
      ReturnType<typeof plan>,
      ReturnType<typeof plan>,
      ReturnType<typeof plan>,
    ];
    assert.is(eight.dispatches - four.dispatches, 4 * perStep);
    assert.is(twelve.dispatches - eight.dispatches, 4 * perStep);
    assert.is(eight.forward - four.forward, 2 * perStep);
    assert.is(twelve.shaders, four.shaders);
    assert.ok(four.shaders <= 20, `${four.shaders} shaders`);
  });
}

test.run();
