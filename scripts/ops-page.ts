// docs/ops.md from the source: signatures and docstrings from src/ops, gradients and kernels from recording what the goldens call.

import { readdirSync, readFileSync } from "node:fs";
import type { Node } from "typescript/unstable/ast";
import * as functions from "../src/ops/functions.ts";
import * as methods from "../src/ops/methods.ts";
import { explain, grad, type Tensor, tensor } from "../src/tensor.ts";
import { type Call, type Calls, loadCalls, recordCall } from "../tests/support/golden-calls.ts";
import { type ApiReader, type Entry, parameterText } from "./api-reader.ts";

const SOURCE = "src/ops";
const GOLDENS = "tests/reference/data";

/** PyTorch's names where the goldens don't tell them, and null where PyTorch has none. */
const COUNTERPARTS: Readonly<Record<string, string | null>> = {
  adaptiveMaxPool2d: "nn.functional.adaptive_max_pool2d",
  alphaDropout: "nn.functional.alpha_dropout",
  bernoulli: "bernoulli",
  broadcastTo: "broadcast_to",
  cat: "cat",
  clamp: "clamp",
  col2im: "nn.functional.fold",
  conv3d: "nn.functional.conv3d",
  div: "div",
  dropout2d: "nn.functional.dropout2d",
  flip: "flip",
  fold: "nn.functional.fold",
  full: "full",
  gru: "nn.GRU",
  gruCell: "nn.GRUCell",
  im2col: "nn.functional.unfold",
  interpolate: "nn.functional.interpolate",
  lstm: "nn.LSTM",
  lstmCell: "nn.LSTMCell",
  max: "max (values only)",
  maximum: "maximum",
  min: "min (values only)",
  minimum: "minimum",
  narrow: "narrow",
  norm: "linalg.vector_norm",
  ones: "ones",
  pad: "nn.functional.pad",
  rand: "rand",
  randLike: "rand_like",
  randint: "randint",
  randn: "randn",
  randnLike: "randn_like",
  randperm: "randperm",
  rmsNorm: "nn.functional.rms_norm (2.4)",
  rnn: "nn.RNN",
  rnnCell: "nn.RNNCell",
  rope: null,
  scaledDotProductAttention: "nn.functional.scaled_dot_product_attention (2.0)",
  slice: "__getitem__",
  split: "split",
  tensor: "tensor",
  to: "Tensor.to",
  transpose: "transpose",
  unfold2d: "nn.functional.unfold",
  uploadable: null,
  variance: "var",
  where: "where",
  zeros: "zeros",
};

/** Calls of ops that no golden has: random ones and those with state. */
const EXAMPLES: Readonly<Record<string, (x: Tensor) => unknown>> = {
  alphaDropout: (x) => x.alphaDropout(0.5),
  bernoulli: (x) => x.sigmoid().detach().bernoulli(),
  multinomial: (x) => x.sigmoid().detach().multinomial(2),
  dropout: (x) => x.dropout(0.5),
  dropout2d: (x) => x.reshape([2, 2, 2, 2]).dropout2d(0.5),
  rand: () => functions.rand([16]),
  randLike: (x) => x.randLike(),
  randint: () => functions.randint(0, 9, [16]),
  randn: () => functions.randn([16]),
  randnLike: (x) => x.randnLike(),
  randperm: () => functions.randperm(16),
  rnn: (x) => x.reshape([2, 2, 4]).rnn(null, recurrentWeights(x, 1)),
  rnnCell: (x) => x.reshape([4, 4]).rnnCell(null, recurrentWeights(x, 1)),
  lstm: (x) => x.reshape([2, 2, 4]).lstm(null, recurrentWeights(x, 4)),
  lstmCell: (x) => x.reshape([4, 4]).lstmCell(null, recurrentWeights(x, 4)),
  gru: (x) => x.reshape([2, 2, 4]).gru(null, recurrentWeights(x, 3)),
  gruCell: (x) => x.reshape([4, 4]).gruCell(null, recurrentWeights(x, 3)),
};

/** Ops that hand over what the host has: no kernel. */
const HOST: ReadonlySet<string> = new Set(["tensor", "uploadable"]);

function recurrentWeights(x: Tensor, gates: number): { weightIh: Tensor; weightHh: Tensor } {
  const weight = x.reshape([4, 4]).repeat([gates, 1]);
  return { weightIh: weight, weightHh: weight };
}

/** One op as its source shows it. */
interface Documented {
  readonly name: string;
  readonly signature: string;
  readonly text: string;
}

interface Section {
  readonly title: string;
  readonly intro: string;
  readonly ops: Documented[];
}

/** A parameter as a reader wants it: its name, or the names of the options. */
function parameter(node: Node, reader: ApiReader): string {
  const [, rest = "", name = "", optional = ""] = /^(\.\.\.)?(\w+)(\?)?/.exec(parameterText(node)) ?? [];
  const options = reader.optionNames(node);
  return options === null ? `${rest}${name}${optional}` : `{ ${options.join(", ")} }${optional}`;
}

/** `softmax(x, dim)`, with the result where it is not a tensor alone. */
function signatureOf({ name, calls }: Entry, reader: ApiReader): string {
  // The first signature of several takes the most arguments.
  const [call] = calls;
  const parameters = call?.parameters.map((node) => parameter(node, reader)).join(", ");
  const result = call?.result?.getText() ?? "Tensor";
  return `${name}(${parameters})${result === "Tensor" ? "" : ` → ${result.replaceAll("Tensor", "tensor")}`}`;
}

/** The ops by the file that they are defined in, in the order of the source. */
function sections(reader: ApiReader): Section[] {
  const lists = ["methods", "functions"].flatMap((list) => reader.read(`${SOURCE}/${list}.ts`));
  const files = new Map<string, Entry[]>();
  for (const entry of lists.filter(({ kind }) => kind === "function")) {
    files.set(entry.file, [...(files.get(entry.file) ?? []), entry]);
  }
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, entries]) => {
      const words = (file.split("/").at(-1) ?? "").replace(/\.ts$/, "").replaceAll("-", " ");
      const intro = /^\/\/ (.*(?:\n\/\/ .*)*)/.exec(readFileSync(file, "utf8"))?.[1]?.replaceAll("\n// ", " ") ?? "";
      const isAlias = (entry: Entry): boolean => entry.name !== entry.declaredName;
      const ops = entries
        .sort((a, b) => Number(isAlias(a)) - Number(isAlias(b)) || a.position - b.position)
        .map((entry) => ({
          name: entry.name,
          signature: signatureOf(entry, reader),
          text: isAlias(entry) ? `The same as \`${entry.declaredName}\`.` : entry.doc.replaceAll(/\s+/g, " "),
        }));
      return { title: `${words.charAt(0).toUpperCase()}${words.slice(1)}`, intro, ops };
    });
}

/** What recording an op shows. */
interface Observed {
  readonly gradient: string;
  readonly kernels: string;
}

/** Names alone: how many kernels there are is the scheduler's business, and changes. */
function families(tensors: readonly Tensor[]): string {
  const names = new Set(explain(...tensors).kernels.map(({ family }) => family));
  return [...names].sort().join(", ") || "none";
}

function tensorsIn(value: unknown): Tensor[] {
  if (value === null || typeof value !== "object") return [];
  return "dtype" in value ? [value as Tensor] : Object.values(value).flatMap(tensorsIn);
}

/** Kernels of results and gradients, and whether gradients can be differentiated again. */
function observe(outputs: readonly Tensor[], inputs: readonly Tensor[]): Observed {
  const forward = families(outputs);
  const differentiable = outputs.filter((y) => y.requiresGrad && (y.dtype === "f32" || y.dtype === "f16"));
  if (differentiable.length === 0 || inputs.length === 0) return { gradient: "no", kernels: forward };
  const weights = differentiable.map((y) =>
    tensor(new Float32Array(y.numel).fill(0.5), { shape: y.shape, requiresGrad: true }),
  );
  const gradients = grad(differentiable, inputs, { gradOutputs: weights });
  const twice = gradients.some((g) => g.requiresGrad);
  return { gradient: twice ? "yes, twice" : "yes", kernels: `${forward}; backward ${families(gradients)}` };
}

const sizeOfCall = (call: Call, file: Calls): number =>
  call.inputs.reduce((sum, { array }) => sum + file.array(array).data.length, 0);

/** What every op shows that the goldens call: of its calls with gradients (or else of all) the one with the most numbers. */
function observations(): { observed: Map<string, Observed>; torch: Map<string, string> } {
  const files = readdirSync(GOLDENS)
    .filter((name) => /^(opdb|ops-.*)\.json$/.test(name))
    .map((name) => loadCalls(`${GOLDENS}/${name.replace(/\.json$/, "")}`));
  const best = new Map<string, { call: Call; file: Calls; rank: number }>();
  const torch = new Map<string, string>();
  const exported: Readonly<Record<string, unknown>> = { ...functions, ...methods };
  for (const file of files) {
    for (const call of file.calls) {
      if (call.torch !== undefined && !torch.has(call.op))
        torch.set(
          call.op,
          call.torch.replace(/\.(?!.*functional).*$/, (part) =>
            call.torch?.startsWith("nn.") || call.torch?.startsWith("linalg.") ? part : "",
          ),
        );
      if (exported[call.op] === undefined) continue;
      const rank = sizeOfCall(call, file) + (call.gradients === undefined ? 0 : 1e9);
      if (rank > (best.get(call.op)?.rank ?? -1)) best.set(call.op, { call, file, rank });
    }
  }
  const observed = new Map<string, Observed>();
  for (const [op, { call, file }] of best) {
    const { outputs, inputs } = recordCall(call, file, false);
    observed.set(op, observe(outputs, inputs));
  }
  for (const [op, run] of Object.entries(EXAMPLES)) {
    if (exported[op] === undefined) continue;
    const x = tensor(
      Float32Array.from({ length: 16 }, (_, i) => i / 8 - 1),
      { requiresGrad: true },
    );
    observed.set(op, observe(tensorsIn(run(x)), [x]));
  }
  return { observed, torch };
}

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

/** The whole page. */
export function opsPage(reader: ApiReader): string {
  const { observed, torch } = observations();
  const parts = sections(reader);
  const count = parts.reduce((n, { ops }) => n + ops.length, 0);
  const lines = [
    "# The ops",
    "",
    `Generated by \`npm run docs\` from the source: ${count} ops. Every op whose first argument is a tensor is a method too (\`x.relu()\`). \`{ … }\``,
    "are the optional arguments, all in one object. *Gradient*: whether there is one, and whether it can be differentiated again. *Kernels*: which",
    "families an example takes alone, forward and backward (fused with others it often takes none of its own).",
    "",
    "Differences from PyTorch that hold everywhere: names are in camelCase; indices and sums of integers are i32, there is no i64 and no f64; arithmetic,",
    "sums and products of bool give i32; `max(dim)` and `min(dim)` return values only, pools too; what fails on shapes, dtypes or arguments throws at",
    "the call. Others are said with their op.",
    "",
  ];
  for (const { title, intro, ops } of parts) {
    lines.push(
      `## ${title}`,
      "",
      intro,
      "",
      "| op | PyTorch | gradient | kernels | meaning, defaults, differences |",
      "|---|---|---|---|---|",
    );
    for (const { name, signature, text } of ops) {
      const known = COUNTERPARTS[name];
      const counterpart = known === null ? "–" : `\`${known ?? torch.get(name) ?? snake(name)}\``;
      const { gradient, kernels } =
        observed.get(name) ?? (HOST.has(name) ? { gradient: "no", kernels: "none" } : { gradient: "–", kernels: "–" });
      lines.push(
        `| \`${signature.replaceAll("|", "\\|")}\` | ${counterpart} | ${gradient} | ${kernels} | ${cell(text)} |`,
      );
    }
    lines.push("");
  }
  return `${lines.join("\n").trimEnd()}\n`;
}
