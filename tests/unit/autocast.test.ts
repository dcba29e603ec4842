// autocast without a device: which precision each op takes, after PyTorch's lists.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DTypeError, WgradError } from "../../src/base/errors.ts";
import { amp, grad, nn, ones, type Tensor, tensor } from "../../src/index.ts";
import * as wg from "../../src/tensor.ts";

const x = ones([4, 8]);
const half = x.to("f16");
const image = ones([2, 4, 6, 6]);
const vector = ones([8]);

test("products and convolutions take f16, whatever they are given", () => {
  const cases: [string, () => Tensor][] = [
    ["matmul", () => wg.matmul(x, x.t())],
    ["mm", () => wg.mm(x, x.t())],
    ["bmm", () => wg.bmm(ones([2, 3, 4]), ones([2, 4, 3]))],
    ["mv", () => wg.mv(x, vector)],
    ["dot", () => wg.dot(vector, vector)],
    ["addmm", () => wg.addmm(ones([4, 4]), x, x.t())],
    ["einsum", () => wg.einsum("ij,kj->ik", x, x)],
    ["linear", () => wg.linear(x, ones([3, 8]), { bias: ones([3]) })],
    ["conv2d", () => wg.conv2d(image, ones([5, 4, 3, 3]), { bias: ones([5]) })],
    ["convTranspose2d", () => wg.convTranspose2d(image, ones([4, 5, 3, 3]))],
    ["attention", () => wg.scaledDotProductAttention(ones([1, 4, 8]), ones([1, 4, 8]), ones([1, 4, 8]))],
    ["nn.Linear", () => new nn.Linear(8, 2).forward(x)],
  ];
  for (const [name, run] of cases) {
    assert.is(amp.autocast("f16", run).dtype, "f16", name);
    assert.is(run().dtype, "f32", `${name} outside`);
    assert.is(amp.autocast("f16", () => amp.autocast("f32", run)).dtype, "f32", `${name} switched off inside`);
  }
});

test("losses, norms, softmax, sums and exponentials take f32", () => {
  const labels = tensor(new Int32Array(4));
  const cases: [string, () => Tensor][] = [
    ["softmax", () => half.softmax(1)],
    ["logSoftmax", () => half.logSoftmax(1)],
    ["sum", () => half.sum()],
    ["mean", () => half.mean(1)],
    ["prod", () => half.prod(1)],
    ["variance", () => half.variance(1)],
    ["norm", () => half.norm()],
    ["logsumexp", () => half.logsumexp(1)],
    ["cumsum", () => half.cumsum(1)],
    ["exp", () => half.exp()],
    ["pow", () => half.pow(2)],
    ["rsqrt", () => half.rsqrt()],
    ["layerNorm", () => wg.layerNorm(half, [8])],
    ["rmsNorm", () => wg.rmsNorm(half, [8])],
    ["batchNorm", () => wg.batchNorm(half, null, null, { training: true })],
    ["groupNorm", () => wg.groupNorm(half, 2)],
    ["crossEntropy", () => wg.crossEntropy(half, labels)],
    ["nllLoss", () => wg.nllLoss(half, labels)],
    ["mseLoss", () => wg.mseLoss(half, half)],
    ["l1Loss", () => wg.l1Loss(half, half, { reduction: "none" })],
    ["binaryCrossEntropyWithLogits", () => wg.binaryCrossEntropyWithLogits(half, half, { reduction: "none" })],
    ["klDiv", () => wg.klDiv(half, x)],
    ["cosineSimilarity", () => wg.cosineSimilarity(half, half)],
    ["cdist", () => wg.cdist(half, half)],
  ];
  for (const [name, run] of cases) assert.is(amp.autocast("f16", run).dtype, "f32", name);
  assert.throws(
    () => amp.autocast("f16", () => wg.binaryCrossEntropy(half, x)),
    (e: Error) => e instanceof DTypeError && /binaryCrossEntropyWithLogits/.test(e.message),
  );
});

test("everything else keeps what it is given, the widest of several", () => {
  amp.autocast("f16", () => {
    assert.is(half.relu().dtype, "f16");
    assert.is(half.tanh().dtype, "f16");
    assert.is(half.add(half).dtype, "f16");
    assert.is(half.add(x).dtype, "f32");
    assert.is(x.gelu().dtype, "f32");
    assert.is(wg.maxPool2d(image.to("f16"), 2).dtype, "f16");
    assert.is(wg.avgPool2d(image.to("f16"), 2).dtype, "f16");
  });
});

test("gradients come in the parameters' precision", () => {
  const weight = ones([3, 8], { requiresGrad: true });
  const loss = amp.autocast("f16", () => wg.linear(x, weight).square().mean());
  assert.is(loss.dtype, "f32");
  assert.is((grad(loss, weight)[0] as Tensor).dtype, "f32");
});

test("long sums of f16 are added up in f32, also in parts", () => {
  const input = (...shape: number[]) => tensor(new Float32Array(65536), { shape });
  const loss = amp.autocast("f16", () => wg.matmul(input(8, 8192), input(8192, 8)));
  const { kernels } = wg.explain(loss);
  assert.ok(kernels.length >= 2, "a sum of 8192 for 64 elements is split");
  assert.ok(kernels[0]?.wgsl.includes("array<f32>") || kernels[0]?.wgsl.includes("array<vec4<f32>>"));
  assert.not(kernels[0]?.wgsl.includes("array<f16>"));
});

test("autocast and GradScaler say what is wrong", () => {
  assert.throws(() => amp.autocast("bf16" as never, () => x), /autocast: the dtype must be "f16"/);
  assert.throws(() => amp.autocast("f16", x as never), /autocast: the second argument must be a function/);
  assert.throws(() => amp.autocast("f16", async () => x), /must be synchronous/);
  assert.throws(() => new amp.GradScaler({ growthFactor: 1 }), /GradScaler: growthFactor must be > 1, got 1/);
  assert.throws(() => new amp.GradScaler({ backoffFactor: 2 }), /backoffFactor must be in 0 … 1/);
  const scaler = new amp.GradScaler();
  assert.throws(
    () => scaler.update(),
    (e: Error) => e instanceof WgradError && /no step was taken/.test(e.message),
  );
  assert.throws(() => scaler.scale("loss"), /GradScaler.scale: takes tensors/);
  const off = new amp.GradScaler({ enabled: false });
  assert.is(off.scale(x), x);
  assert.equal(off.stateDict(), {});
  off.update();
});

test.run();
