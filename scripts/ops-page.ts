// docs/ops.md from the source: signatures and docstrings from src/ops, gradients and kernels from recording what the goldens call.

import { readdirSync, readFileSync } from "node:fs";
import * as functions from "../src/ops/functions.ts";
import * as methods from "../src/ops/methods.ts";
import { explain, grad, type Tensor, tensor } from "../src/tensor.ts";
import { type Call, type Calls, loadCalls, recordCall } from "../tests/support/golden-calls.ts";

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

/** The end of what `open` begins: the index behind the closing bracket. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ("([{<".includes(text[i] as string)) depth++;
    else if (")]}".includes(text[i] as string) || (text[i] === ">" && text[i - 1] !== "=")) depth--;
    if (depth === 0) return i + 1;
  }
  throw new Error(`no end: ${text.slice(open, open + 80)}`);
}

/** Splits at commas (or another mark) that no bracket encloses. */
function splitTop(text: string, mark: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if ("([{<".includes(text[i] as string)) i = closing(text, i) - 1;
    else if (text[i] === mark) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/\/\/.*$/gm, "");

/** The option names of a type: an object type, an interface of the ops, or several of these joined. */
function optionsOf(type: string, sources: ReadonlyMap<string, string>): string[] | null {
  const trimmed = type.trim();
  const joined = splitTop(trimmed, "&");
  if (joined.length > 1) {
    const all = joined.map((part) => optionsOf(part, sources));
    return all.some((part) => part === null) ? null : all.flatMap((part) => part ?? []);
  }
  if (trimmed.startsWith("{")) {
    const body = withoutComments(trimmed.slice(1, closing(trimmed, 0) - 1));
    return splitTop(body, ";").map((field) => /^(?:readonly )?(\w+)/.exec(field)?.[1] ?? field);
  }
  for (const source of sources.values()) {
    const declared = new RegExp(`(?:interface ${trimmed}(?: extends ([^{]+))? |type ${trimmed} = )(?=[{\\w])`).exec(
      source,
    );
    if (declared === null) continue;
    const start = declared.index + declared[0].length;
    if (declared[0].startsWith("type")) return optionsOf(source.slice(start, source.indexOf(";\n", start)), sources);
    const own = optionsOf(source.slice(start, closing(source, start)), sources) ?? [];
    return [
      ...(declared[1] ?? "").split(",").flatMap((base) => (base.trim() ? (optionsOf(base, sources) ?? []) : [])),
      ...own,
    ];
  }
  return null;
}

/** A parameter as a reader wants it: its name, or the names of the options. */
function parameter(text: string, sources: ReadonlyMap<string, string>): string {
  const match = /^(\.\.\.)?(\w+)(\?)?(?::\s*([\s\S]*)|( = .*))?$/.exec(text);
  if (match === null) return text;
  const [, rest = "", name = "", question = "", declared = match[5] ?? ""] = match;
  const [type = "", value] = declared.split(/ = (?=[^>]*$)/);
  const optional = question !== "" || value !== undefined;
  const options = /^options/.test(name) || /^\w*Options$/.test(type.trim()) ? optionsOf(type, sources) : null;
  if (options !== null) return `{ ${[...new Set(options)].join(", ")} }${optional ? "?" : ""}`;
  return `${rest}${name}${optional ? "?" : ""}`;
}

/** `(x: Tensor, …): Tensor` or the type of a constant, as a call. */
function signatureOf(name: string, declaration: string, sources: ReadonlyMap<string, string>): string {
  let text = declaration;
  const alias = /^: (\w+) =/.exec(text)?.[1];
  if (alias !== undefined) {
    const declared = [...sources.values()].map((source) => new RegExp(`type ${alias} = ([^;]*);`).exec(source)?.[1]);
    text = `${declared.find((type) => type !== undefined) ?? "(x)"} = `;
  }
  text = text.slice(text.indexOf("("));
  const end = closing(text, 0);
  const parameters = splitTop(withoutComments(text.slice(1, end - 1)), ",").map((p) => parameter(p, sources));
  const result = /^(?::| =>)\s*([^;]*?)(?: \{\n| = )/.exec(text.slice(end))?.[1]?.trim() ?? "Tensor";
  return `${name}(${parameters.join(", ")})${result === "Tensor" ? "" : ` → ${result.replaceAll("Tensor", "tensor")}`}`;
}

/** The files that the ops come from, by name; `as` gives names of their own. */
function origins(): Map<string, string> {
  const found = new Map<string, string>();
  for (const list of ["methods", "functions"]) {
    const source = readFileSync(`${SOURCE}/${list}.ts`, "utf8");
    for (const [, names = "", file = ""] of source.matchAll(/export \{([^}]*)\} from "\.\/([^"]+)"/g)) {
      for (const name of splitTop(names, ",")) found.set(name, file);
    }
    for (const [, file = ""] of source.matchAll(/export \* from "\.\/([^"]+)"/g)) {
      const whole = readFileSync(`${SOURCE}/${file}`, "utf8");
      for (const [, name = ""] of whole.matchAll(/^export (?:const|function) (\w+)/gm)) found.set(name, file);
      for (const [list] of whole.matchAll(/^export \{ .* \};$/gm)) {
        for (const [, alias = ""] of list.matchAll(/ as (\w+)/g)) found.set(alias, file);
      }
    }
  }
  return found;
}

/** The ops by the file that they are defined in. */
function sections(): Section[] {
  const files = origins();
  const sources = new Map<string, string>();
  for (const file of readdirSync(SOURCE).sort()) sources.set(file, readFileSync(`${SOURCE}/${file}`, "utf8"));
  const found: Section[] = [];
  for (const [file, source] of sources) {
    const ops: Documented[] = [];
    for (const match of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export (?:function|const) (\w+)/g)) {
      const [whole, comment = "", name = ""] = match;
      if (files.get(name) !== file) continue;
      const text = comment
        .replaceAll(/^\s*\* ?/gm, "")
        .replaceAll(/\s+/g, " ")
        .trim();
      const declaration = source.slice(match.index + whole.length);
      ops.push({ name, text, signature: signatureOf(name, declaration, sources) });
    }
    for (const [list] of source.matchAll(/^export \{ .* \};$/gm)) {
      for (const [, name = "", alias = ""] of list.matchAll(/(\w+) as (\w+)/g)) {
        const same = ops.find((op) => op.name === name);
        if (same === undefined || files.get(alias) !== file) continue;
        const signature = same.signature.replace(name, alias);
        ops.push({ name: alias, text: `The same as \`${name}\`.`, signature });
      }
    }
    if (ops.length === 0) continue;
    const words = file.replace(/\.ts$/, "").replaceAll("-", " ");
    const intro = /^\/\/ (.*(?:\n\/\/ .*)*)/.exec(source)?.[1]?.replaceAll("\n// ", " ") ?? "";
    found.push({ title: words.charAt(0).toUpperCase() + words.slice(1), intro, ops });
  }
  return found;
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
export function opsPage(): string {
  const { observed, torch } = observations();
  const parts = sections();
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
