// Every op against PyTorch: values, dtypes, shapes and gradients of the cases in tests/reference/data/ops-*.json.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as wg from "../../src/index.ts";
import { loadGolden, mismatch } from "../reference/golden.ts";

type Result = wg.Tensor | wg.Tensor[] | Record<string, wg.Tensor>;
type Op = (...args: unknown[]) => Result;

/** One call and what PyTorch says of it; arrays are numbers of the golden file. */
interface Case {
  op: string;
  note?: string;
  args: unknown[];
  options?: Record<string, unknown>;
  inputs: number[];
  outputs: { path?: string | number; array: number; absolute?: number; gradient?: number }[];
  gradients?: { input: number; array: number; absolute: number }[];
}

interface Content {
  relative: number;
  cases: Case[];
}

const TOPICS = [
  "elementwise",
  "reduction",
  "movement",
  "indexing",
  "linear-algebra",
  "convolution",
  "normalization",
  "loss",
] as const;

/** Ops that PyTorch has cases for and the engine does not have yet. */
const LATER: ReadonlySet<string> = new Set([
  "argsort",
  "bincount",
  "ctcLoss",
  "gridSample",
  "median",
  "searchsorted",
  "sort",
  "topk",
]);

/** Ops that are functions only, though their first argument is a tensor. */
const FUNCTIONS_ONLY: ReadonlySet<string> = new Set(["where", "meshgrid"]);

const functions = wg as unknown as Record<string, Op | undefined>;
const methods = wg.Tensor.prototype as unknown as Record<string, Op | undefined>;

function title({ op, note, args, options }: Case): string {
  const literals = args.filter((arg) => typeof arg !== "object" || Array.isArray(arg));
  const parts = [note ?? (literals.length > 0 ? JSON.stringify(literals).replaceAll('"', "") : "")];
  if (options !== undefined) parts.push(JSON.stringify(options).replaceAll('"', ""));
  return `${op} ${parts.filter((part) => part !== "").join(" ")}`.trim();
}

/** An argument as the golden file has it: literals, and objects that stand for tensors, holes and numbers JSON cannot hold. */
function decode(value: unknown, inputs: readonly wg.Tensor[]): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, inputs));
  if (value === null || typeof value !== "object") return value;
  const entry = value as { input?: number; number?: string; omit?: true };
  if (entry.input !== undefined) return inputs[entry.input];
  if (entry.number !== undefined) return Number(entry.number);
  return undefined;
}

function pick(result: Result, path: string | number | undefined, where: string): wg.Tensor {
  const picked = path === undefined ? result : (result as Record<string, wg.Tensor>)[path];
  assert.instance(picked, wg.Tensor, `${where}: not a tensor`);
  return picked as wg.Tensor;
}

for (const topic of TOPICS) {
  const golden = loadGolden<Content>(`ops-${topic}`);
  const { relative, cases } = golden.content;

  /** Compares a tensor with an array of the golden file. */
  const compare = async (got: wg.Tensor, number: number, absolute: number, where: string): Promise<void> => {
    const expected = golden.array(number);
    assert.equal([...got.shape], [...expected.shape], `${where}: shape`);
    assert.is(got.dtype, expected.dtype, `${where}: dtype`);
    const exact = expected.dtype !== "f32";
    const problem = mismatch(await got.data(), expected.data, exact ? 0 : absolute, exact ? 0 : relative);
    if (problem !== null) assert.unreachable(`${where}: ${problem}`);
  };

  const run = async (record: Case, op: Op): Promise<void> => {
    const where = title(record);
    const differentiable = new Set(record.gradients?.map(({ input }) => input));
    const inputs = record.inputs.map((number, i) => {
      const { data, shape, dtype } = golden.array(number);
      return wg.tensor(data, { shape, dtype, requiresGrad: differentiable.has(i) });
    });
    const args = record.args.map((arg) => decode(arg, inputs));
    if (record.options !== undefined) {
      const entries = Object.entries(record.options);
      args.push(Object.fromEntries(entries.map(([key, value]) => [key, decode(value, inputs)])));
    }
    const result = op(...args);
    const outputs = record.outputs.map(({ path }) => pick(result, path, where));

    const weighted = record.outputs.flatMap(({ gradient }, i) => {
      const output = outputs[i];
      return gradient === undefined || output === undefined ? [] : [{ output, ...golden.array(gradient) }];
    });
    const wanted = record.gradients ?? [];
    const gradients =
      wanted.length === 0
        ? []
        : wg.grad(
            weighted.map(({ output }) => output),
            wanted.map(({ input }) => inputs[input] as wg.Tensor),
            { gradOutputs: weighted.map(({ data, shape, dtype }) => wg.tensor(data, { shape, dtype })) },
          );
    await wg.realize(...outputs, ...gradients);
    for (const [i, { array, absolute, path }] of record.outputs.entries()) {
      await compare(outputs[i] as wg.Tensor, array, absolute ?? 0, path === undefined ? where : `${where} .${path}`);
    }
    for (const [i, { input, array, absolute }] of wanted.entries()) {
      await compare(gradients[i] as wg.Tensor, array, absolute, `${where}, gradient of input ${input}`);
    }

    // The method records the same graph; its values need no second computation.
    const [first, ...rest] = args;
    if (first instanceof wg.Tensor && !FUNCTIONS_ONLY.has(record.op)) {
      const method = methods[record.op];
      assert.type(method, "function", `${where}: no such method`);
      const again = (method as Op).call(first, ...rest);
      for (const [i, { path }] of record.outputs.entries()) {
        assert.equal(pick(again, path, where).shape, outputs[i]?.shape, `${where} as a method: shape`);
      }
    }
  };

  const tests = suite(`PyTorch's ${topic} cases`);
  for (const record of cases) {
    const op = functions[record.op];
    if (LATER.has(record.op)) continue;
    tests(title(record), async () => {
      assert.type(op, "function", `${record.op} is not exported`);
      await run(record, op as Op);
    });
  }
  tests("the list of ops to come is right", () => {
    const there = [...new Set(cases.map(({ op }) => op))].filter((op) => LATER.has(op) && functions[op] !== undefined);
    assert.equal(there, [], "these exist: take them out of LATER");
  });
  tests.run();
}
