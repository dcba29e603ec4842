// customKernel without a GPU: what is checked at the call, how kernels take part in graph and plan, gradients through them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, ShapeError, WgradError } from "../../src/base/errors.ts";
import { pack } from "../../src/ops/memory.ts";
import { customKernel, explain, grad, kernels, type Tensor, tensor } from "../../src/tensor.ts";

const input = (...shape: number[]): Tensor => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape });

/** x with a 7 in front. */
function marked(x: Tensor): Tensor {
  return customKernel({
    name: "marked",
    inputs: [],
    outputs: { shape: x.shape, initial: x },
    workgroups: 1,
    wgsl: "if (index == 0u) { out[0] = 7.0; }",
  });
}

/** x² by hand. */
function squared(x: Tensor): Tensor {
  return customKernel({
    name: "squared",
    inputs: { x },
    outputs: { shape: x.shape },
    workgroups: Math.ceil(x.numel / 64),
    wgsl: `if (index < ${x.numel}) { out[index] = x[index] * x[index]; }`,
    backward: (g, { x: input }) => ({ x: g.mul(input).mul(2) }),
  });
}

test("a kernel is one dispatch between those of the ops around it", () => {
  const report = explain(squared(input(8, 8).add(1)).mul(2).relu());
  assert.equal(
    report.kernels.map((k) => k.family),
    ["map", "kernel", "map"],
  );
  const kernel = report.kernels[1];
  assert.is(kernel?.name, "squared f32[8,8]");
  assert.equal(kernel?.ops, ["squared"]);
  assert.is(kernel?.bytes, 512);
  assert.match(kernel?.wgsl ?? "", /var<storage, read_write> out: array<f32>/);
});

test("reports say the arithmetic that was told, or an operation per element", () => {
  const flopsOf = (flops?: number) => {
    const x = input(8, 8);
    const given = {
      name: "same",
      inputs: { x },
      outputs: { shape: x.shape },
      workgroups: 1,
      wgsl: "out[index] = x[index];",
    };
    return explain(customKernel(flops === undefined ? given : { ...given, flops })).kernels[0]?.flops;
  };
  assert.is(flopsOf(), 64);
  assert.is(flopsOf(1000), 1000);
  assert.throws(
    () => flopsOf(-1),
    (e: unknown) => e instanceof RangeError && /flops must be at least 0, got -1/.test(e.message),
  );
});

test("numbers in a uniform block are inputs of one element", () => {
  const wgsl = `struct Numbers { rate: f32 }
@group(0) @binding(2) var<uniform> numbers: Numbers;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { out[i] = x[i] * numbers.rate; }`;
  const scaled = (rate: Tensor, text = wgsl): Tensor =>
    customKernel({
      name: "scaled",
      inputs: { x: input(64), rate },
      outputs: { shape: [64] },
      workgroups: 1,
      wgsl: text,
    });
  assert.match(explain(scaled(tensor(0.5))).kernels[0]?.wgsl ?? "", "x[i] * scalar_rate()");
  assert.throws(() => scaled(input(2)), /a number in a uniform block is an input of one element, got \[2\] for rate/);
  assert.throws(
    () => scaled(tensor(0.5), wgsl.replace("rate: f32", "rate: u32")),
    /inputs of their names and types, got numbers.rate: u32/,
  );
});

test("gradients go by the names of the inputs", () => {
  const through = (backward: unknown) => {
    const x = input(4);
    x.requiresGrad = true;
    const options = {
      name: "same",
      inputs: { x },
      outputs: x,
      workgroups: 1,
      wgsl: "out[index] = x[index];",
      backward,
    };
    return grad(customKernel(options as never as Parameters<typeof customKernel>[0]) as Tensor, [x], {
      gradOutputs: input(4),
    });
  };
  through((g: Tensor) => ({ x: g }));
  through(() => ({ x: null }));
  const wrong = (backward: unknown, words: RegExp) => assert.throws(() => through(backward), words);
  wrong((g: Tensor) => ({ z: g }), /same: backward returns gradients by the names of the inputs \(x\), got "z"\./);
  wrong((g: Tensor) => ({ x: g, z: g }), /got "z"/);
  wrong(() => {}, /same: backward must return gradients \(null for none\), got nothing\./);
  assert.throws(() => customKernel(undefined as never), /customKernel: needs a name, got nothing\./);
});

test("a leaf is bound as it is, reshaped too; a number or a view is stored first", () => {
  const x = input(4, 6);
  assert.is(kernels(squared(x)), 1);
  assert.is(kernels(squared(x.reshape([24]))), 1);
  assert.is(kernels(squared(x.t())), 2);
  assert.is(kernels(squared(tensor(3))), 2);
});

test("results are written right into a pack, and into an output that starts with them", () => {
  const y = squared(input(4));
  assert.is(kernels(pack([y, y.add(1)], [0, 64], 128).mul(2)), 3);
  assert.is(kernels(pack([squared(input(4)), squared(input(5))], [0, 64], 128).mul(2)), 3);
  assert.is(kernels(marked(squared(input(4)))), 2);
  assert.is(kernels(marked(marked(squared(input(4)))).mul(2)), 4);
  assert.is(kernels(marked(y), y), 3);
});

test("equal kernels on equal inputs run once", () => {
  const x = input(4);
  assert.is(kernels(squared(x).add(squared(x))), 2);
});

test("a kernel with nothing to write runs nothing", () => {
  const x = input(0, 3);
  const y = customKernel({
    name: "none",
    inputs: [x],
    outputs: x,
    workgroups: 1,
    wgsl: "if (false) { out[0] = a[0]; }",
  });
  assert.is(kernels(y), 0);
});

test("gradients of several outputs come together", () => {
  const x = input(4);
  x.requiresGrad = true;
  const seen: string[] = [];
  const { low, high } = customKernel({
    name: "both",
    inputs: { x },
    outputs: { low: { shape: [4] }, high: { shape: [4] }, at: { shape: [4], dtype: "i32" } },
    workgroups: 1,
    wgsl: "low[0] = x[0]; high[0] = x[0]; at[0] = 0;",
    backward: ({ low: a, high: b }, inputs, outputs) => {
      seen.push(Object.keys(inputs).join(), Object.keys(outputs).join());
      return { x: a.add(b) };
    },
  });
  assert.is(low.requiresGrad, true);
  const [g] = grad(low.add(high).sum(), [x]);
  assert.equal(g?.shape, [4]);
  assert.equal(seen, ["x", "low,high,at"]);
});

test("without backward a gradient is refused, and says how to go on", () => {
  const x = input(4);
  x.requiresGrad = true;
  const y = customKernel({ name: "one-way", inputs: [x], outputs: x, workgroups: 1, wgsl: "out[local] = a[local];" });
  assert.throws(() => grad(y.sum(), [x]), /customKernel one-way: has no backward.*detach/);
});

const base = { name: "k", outputs: { shape: [4] }, workgroups: 1, wgsl: "out[local] = a[local];" };
const wrong: readonly (readonly [string, () => unknown, new (...args: never[]) => Error, RegExp])[] = [
  ["no tensor", () => customKernel({ ...base, inputs: [1 as never] }), TypeError, /input a must be a tensor/],
  [
    "an unknown option",
    () => customKernel({ ...base, inputs: [], grid: 1 } as never),
    WgradError,
    /unknown option "grid"/,
  ],
  [
    "an input left out",
    () => customKernel({ ...base, inputs: [input(4), input(4)] }),
    WgradError,
    /never mentions input "b"/,
  ],
  [
    "a bad shape",
    () => customKernel({ ...base, inputs: [input(4)], outputs: { shape: [-1] } }),
    ShapeError,
    /sizes must be/,
  ],
  [
    "a bad dtype",
    () => customKernel({ ...base, inputs: [input(4)], outputs: { shape: [4], dtype: "f64" as never } }),
    DTypeError,
    /f64/,
  ],
  [
    "no workgroups",
    () => customKernel({ ...base, inputs: [input(4)], workgroups: 0 }),
    RangeError,
    /workgroups must be a whole number ≥ 1/,
  ],
  [
    "a written input",
    () => customKernel({ ...base, inputs: [input(4)], wgsl: "a[local] = 1.0; out[local] = 2.0;" }),
    WgradError,
    /assignment to "a"/,
  ],
  [
    "an initial content that does not fit",
    () => customKernel({ ...base, inputs: [input(4)], outputs: { shape: [4], initial: input(3) } }),
    ShapeError,
    /must be f32\[4\], got f32\[3\]/,
  ],
  [
    "a declaration of another type",
    () =>
      customKernel({
        ...base,
        inputs: [input(4)],
        wgsl: "@group(0) @binding(0) var<storage, read> a: array<u32>;\n@compute @workgroup_size(4) fn main() { out[0] = f32(a[0]); }",
      }),
    DTypeError,
    /a holds f32 \(f32\), got array<u32>/,
  ],
  [
    "a binding too many",
    () =>
      customKernel({
        ...base,
        inputs: [input(4)],
        wgsl: "@group(0) @binding(2) var<storage, read_write> c: array<f32>;\n@compute @workgroup_size(4) fn main() { out[0] = a[0]; }",
      }),
    WgradError,
    /bindings 0 to 1 .*got @binding\(2\) c/,
  ],
];
for (const [what, call, type, message] of wrong) {
  test(`${what} throws at the call`, () => {
    let error: unknown;
    try {
      call();
    } catch (caught) {
      error = caught;
    }
    assert.instance(error, type);
    assert.match((error as Error).message, message);
  });
}

test("more tensors than a device binds are refused, with their number", () => {
  const inputs = Array.from({ length: 8 }, () => input(4));
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => `${name}[0]`);
  const y = customKernel({ ...base, inputs, wgsl: `out[local] = ${names.join(" + ")};` });
  assert.throws(() => explain(y), /^k: a kernel binds at most 8 tensors on this device, got 9/);
});

test("a gradient of another shape throws", () => {
  const x = input(4);
  x.requiresGrad = true;
  const y = customKernel({ ...base, inputs: [x], backward: () => input(3) });
  assert.throws(() => grad(y.sum(), [x]), /the gradient of a must have its shape, got \[3\] for \[4\]/);
});

test.run();
