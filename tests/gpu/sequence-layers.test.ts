// Recurrent, attention and Transformer layers as PyTorch's: outputs, gradients of inputs and all parameters, state dicts, initial values.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { loadGolden, mismatch } from "../reference/golden.ts";

const { nn } = wg;

type Numbers = number | null | Numbers[];

interface Described {
  name: string;
  arguments: unknown[];
  options: Record<string, unknown>;
}

interface Case extends Described {
  /** The layer that a stack copies, and the size of its norm. */
  layer?: Described;
  norm?: number;
  state: Record<string, number>;
  inputs: Numbers[];
  /** Masks, and what else forward takes. */
  call: Record<string, number> & { plain?: Record<string, unknown> };
  outputs: (number | null)[];
  weights: (number | null)[];
  inputGradients: (number | null)[];
  gradients: Record<string, number>;
}

type AnyModule = wg.nn.Module & { forward(...inputs: unknown[]): unknown };
type Nested = wg.Tensor | null | Nested[];

const golden = loadGolden<{ cases: Case[] }>("sequences");
const classes = nn as unknown as Record<string, new (...args: unknown[]) => AnyModule>;

function make({ name, arguments: given, options }: Described): AnyModule {
  const Class = classes[name];
  assert.type(Class, "function", `nn.${name} exists`);
  return new (Class as NonNullable<typeof Class>)(...given, options);
}

function load(number: number, requiresGrad = false): wg.Tensor {
  const { data, shape, dtype } = golden.array(number);
  return wg.tensor(data, { shape, dtype, requiresGrad: requiresGrad && dtype === "f32" });
}

function nested(numbers: Numbers): Nested {
  if (numbers === null) return null;
  return Array.isArray(numbers) ? numbers.map(nested) : load(numbers, true);
}

function flat(value: Nested): (wg.Tensor | null)[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value];
}

async function near(got: wg.Tensor | null | undefined, number: number, where: string): Promise<void> {
  assert.instance(got, wg.Tensor, `${where}: no tensor`);
  const tensor = got as wg.Tensor;
  const { data, shape } = golden.array(number);
  assert.equal([...tensor.shape], [...shape], `${where}: shape`);
  const problem = mismatch(await tensor.data(), data, 1e-5, 2e-5);
  if (problem !== null) assert.unreachable(`${where}: ${problem}`);
}

const layers = suite("sequence layers as PyTorch's");

for (const item of golden.content.cases) {
  const forward = Object.keys({ ...item.call, ...item.call.plain }).filter((key) => key !== "plain");
  const shapes = flat(item.inputs.map(nested)).map((x) => `[${x?.shape}]`);
  layers(`${item.name} ${JSON.stringify(item.options)} of ${shapes.join(", ")} ${forward.join(" ")}`, async () => {
    const { layer: inner, norm } = item;
    const layer =
      inner === undefined
        ? make(item)
        : make({
            ...item,
            arguments: [make(inner), ...item.arguments],
            options: { norm: new nn.LayerNorm(norm as number) },
          });
    assert.equal(Object.keys(layer.stateDict()), Object.keys(item.state), "keys of the state dict");
    layer.loadStateDict(Object.fromEntries(Object.entries(item.state).map(([key, number]) => [key, load(number)])));
    const inputs = item.inputs.map(nested);
    const { plain, ...masks } = item.call;
    const options = { ...plain, ...Object.fromEntries(Object.entries(masks).map(([key, n]) => [key, load(n)])) };
    const outputs = flat(layer.forward(...inputs, ...(forward.length > 0 ? [options] : [])) as Nested);
    assert.is(outputs.length, item.outputs.length, "number of outputs");
    const parts = outputs.flatMap((output, i) => {
      const weight = item.weights[i];
      return output === null || weight === null ? [] : [output.mul(load(weight as number)).sum()];
    });
    parts.reduce((a, b) => a.add(b)).backward();
    const leaves = flat(inputs);
    const parameters = Object.fromEntries(layer.namedParameters());
    const known = [
      ...outputs,
      ...leaves.map((x) => x?.grad ?? null),
      ...Object.values(parameters).map((x) => x.grad),
    ].filter((x) => x !== null);
    await wg.realize(...known);
    for (const [i, number] of item.outputs.entries()) {
      if (number === null) assert.is(outputs[i], null, `output ${i}`);
      else await near(outputs[i], number, `output ${i}`);
    }
    for (const [i, number] of item.inputGradients.entries()) {
      if (number !== null) await near(leaves[i]?.grad, number, `gradient of input ${i}`);
    }
    assert.equal(Object.keys(parameters), Object.keys(item.gradients), "parameters");
    for (const [key, number] of Object.entries(item.gradients)) {
      await near(parameters[key]?.grad, number, `gradient of ${key}`);
    }
  });
}

layers.run();

const others = suite("sequence layers besides");

async function extent(t: wg.Tensor | null): Promise<number> {
  return Math.max(...Array.from(await (t as wg.Tensor).data(), Math.abs));
}

others("start as PyTorch's", async () => {
  wg.manualSeed(1);
  const lstm = new nn.LSTM(8, 25, { numLayers: 2 });
  for (const parameter of lstm.parameters()) {
    const most = await extent(parameter);
    assert.ok(most <= 0.2 && most > 0.19, `${most}`);
  }
  const attention = new nn.MultiheadAttention(32, 4);
  const bound = Math.sqrt(6 / (4 * 32));
  const most = await extent(attention.in_proj_weight);
  assert.ok(most <= bound && most > 0.98 * bound, `${most}`);
  assert.is(await extent(attention.in_proj_bias), 0);
  assert.is(await extent(attention.out_proj.bias), 0);
  const stack = new nn.TransformerEncoder(new nn.TransformerEncoderLayer(8, 2, { dimFeedforward: 4 }), 2);
  const [first, second] = [...stack.layers] as [wg.nn.TransformerEncoderLayer, wg.nn.TransformerEncoderLayer];
  assert.equal(await first.linear1.weight.tolist(), await second.linear1.weight.tolist());
  assert.is.not(first.linear1.weight, second.linear1.weight);
  assert.is(stack.parameters().length, 24);
});

others("dropout between recurrent layers, in training only", async () => {
  wg.manualSeed(2);
  const gru = new nn.GRU(4, 8, { numLayers: 2, dropout: 0.5 });
  const x = wg.ones([3, 2, 4]);
  const [once] = gru.forward(x);
  const [again] = gru.forward(x);
  assert.not.equal(await once.tolist(), await again.tolist());
  gru.eval();
  assert.equal(await gru.forward(x)[0].tolist(), await gru.forward(x)[0].tolist());
});

others("attention weights are those that were used; a causal mask by name", async () => {
  wg.manualSeed(3);
  const attention = new nn.MultiheadAttention(4, 1, { dropout: 0.5, bias: false, batchFirst: true });
  attention.loadStateDict({ in_proj_weight: wg.cat([wg.eye(4), wg.eye(4), wg.eye(4)]), "out_proj.weight": wg.eye(4) });
  const x = wg.randn([1, 5, 4]);
  const [y, weights] = attention.forward(x, x, x);
  const expected = (weights as wg.Tensor).matmul(x);
  await wg.realize(y, expected);
  assert.is(mismatch(await y.data(), await expected.data(), 1e-5, 1e-5), null);
  attention.eval();
  const [byName, seen] = attention.forward(x, x, x, { isCausal: true });
  const [byMask] = attention.forward(x, x, x, { attnMask: wg.ones([5, 5]).triu({ diagonal: 1 }).ne(0) });
  await wg.realize(byName, byMask);
  assert.is(mismatch(await byName.data(), await byMask.data(), 1e-6, 1e-6), null);
  const [row] = (await (seen as wg.Tensor).tolist()) as unknown as number[][][];
  assert.equal(row?.[0], [1, 0, 0, 0, 0]);
});

others("errors", () => {
  assert.throws(() => new nn.LSTM(3, 4).forward(wg.zeros([2, 1, 5])), /LSTM: the input must be \[T, B, I\]/);
  assert.throws(() => new nn.GRU(3, 4).forward(wg.zeros([2, 1, 3]), wg.zeros([1, 2, 4])), /h must be \[1,1,4\]/);
  assert.throws(() => new nn.GRU(3, 4).forward(wg.zeros([0, 1, 3])), /gru: needs at least one step/);
  assert.throws(() => new nn.LSTM(3, 4, { projSize: 4 }), /projSize must be less than hiddenSize/);
  assert.throws(() => new nn.MultiheadAttention(6, 4), /multiple of numHeads/);
  const attention = new nn.MultiheadAttention(4, 2);
  const x = wg.zeros([3, 2, 4]);
  assert.throws(() => attention.forward(x, wg.zeros([3, 1, 4]), x), /MultiheadAttention: needs queries \[L, N, 4\]/);
  assert.throws(() => attention.forward(x, x, x, { attnMask: wg.zeros([3, 4]) }), /attnMask must be \[3,3\]/);
  assert.throws(
    () => attention.forward(x, x, x, { keyPaddingMask: wg.arange(6).reshape([2, 3]) }),
    /keyPaddingMask must be bool/,
  );
  assert.throws(
    () => new nn.TransformerEncoderLayer(4, 2, { activation: "tanh" as never }),
    /activation must be "relu"/,
  );
});

others.run();
