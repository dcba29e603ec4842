// docs/api from the source: a page per door with every exported name, its signature, its docstring and its members.

import { readFileSync } from "node:fs";
import type { ApiReader, Entry, Member } from "./api-reader.ts";
import { asMethod } from "./method-types.ts";

interface Page {
  readonly file: string;
  readonly title: string;
  readonly intro: string;
  readonly entries: readonly Entry[];
}

const OPS = new Set(["src/ops/methods.ts", "src/ops/functions.ts"]);

/** What the pages of modules say before their names. */
const INTROS: Readonly<Record<string, string>> = {
  nn: 'Layers, losses, initializers and utilities. `import { nn } from "wgrad"` or `import { Linear } from "wgrad/nn"`. Names, defaults, initialization and state-dict keys are PyTorch\'s.',
  optim:
    'Optimizers, and learning-rate schedules as `optim.lr`. `import { optim } from "wgrad"` or `import { Adam } from "wgrad/optim"`.',
  data: 'Datasets, loaders, splits, transforms and readers of files. `import { data } from "wgrad"` or `import { DataLoader } from "wgrad/data"`.',
  metrics:
    'How good predictions are, computed in float64 on the host. `import { metrics } from "wgrad"` or `import { accuracy } from "wgrad/metrics"`.',
  io: 'Weights and checkpoints as bytes, in the browser and in Node alike. `import { io } from "wgrad"` or `import { toSafetensors } from "wgrad/io"`. For files see [wgrad/node](node.md).',
  amp: 'Mixed precision. `import { amp } from "wgrad"` or `import { autocast } from "wgrad/amp"`.',
  node: 'What needs files, so it works in Node only: `import { saveCheckpoint } from "wgrad/node"`.',
  wgrad:
    'What `import { … } from "wgrad"` gives besides [ops](ops.md), the class [Tensor](tensor.md) and the modules [nn](nn.md), [optim](optim.md), [data](data.md), [metrics](metrics.md), [io](io.md) and [amp](amp.md).',
  ops: 'Every op is a function, `import { softmax } from "wgrad"`. An op whose first argument is a tensor is a method too: `x.softmax(1)` is `softmax(x, 1)`. [The table of ops](../ops.md) shows PyTorch\'s names, gradients and kernels.',
  tensor:
    "The class `Tensor`: its properties, the methods that read and change a tensor, and all ops that are methods, which [the page of ops](ops.md) describes.",
};

/** What the page of "wgrad" has its names under; those that stand nowhere here come last, under `REST`. */
const TOPICS: Readonly<Record<string, readonly string[]>> = {
  "The device": ["init", "currentDevice", "Device", "DeviceOptions", "DeviceStats", "submit", "synchronize"],
  "Reading, changing and freeing tensors": ["assign", "backward", "detach", "realize", "to", "scope", "Shape", "DType"],
  "Automatic differentiation": ["grad", "valueAndGrad", "noGrad", "isGradEnabled", "checkpoint", "checkGradients"],
  "Training loops": ["compile", "fit", "History", "Batch", "Loss", "Schedule", "Trainable", "TrainingOptimizer"],
  "Options and reports of fit": [
    "FitOptions",
    "FitCallbacks",
    "FitMetric",
    "EarlyStoppingOptions",
    "EpochRecord",
    "EpochSummary",
  ],
  "Random numbers": ["manualSeed", "initialSeed", "getRngState", "setRngState", "RngState"],
  "Looking inside and tuning": [
    "explain",
    "kernels",
    "PlanReport",
    "KernelReport",
    "profile",
    "ProfileOptions",
    "ProfileReport",
    "KernelProfile",
    "tune",
    "TuneOptions",
    "TuneReport",
    "TunedKernel",
    "setOptimize",
  ],
  "Your own WGSL": [
    "customKernel",
    "CustomKernelOptions",
    "CustomInputs",
    "CustomOutput",
    "CustomOutputs",
    "InputGradients",
    "TensorsLike",
  ],
  Errors: [
    "WgradError",
    "ShapeError",
    "DTypeError",
    "DisposedTensorError",
    "StaleTensorError",
    "ShaderError",
    "OutOfMemoryError",
    "DeviceLostError",
  ],
};
const REST = "For authors of layers, optimizers and tools";

/** All files of docs/api, by path. */
export function apiPages(reader: ApiReader): Map<string, string> {
  const pages = pagesOf(reader);
  const files = new Map(pages.map((page) => [`docs/api/${page.file}`, pageText(page)]));
  files.set("docs/api/tensor.md", tensorPage(reader));
  files.set("docs/api/README.md", indexPage(pages, reader));
  return files;
}

/** Methods of an interface that classes repeat: editors show the docstring of the interface. */
const OVERRIDES = new Set(["forward", "get", "getBatch", "dtypes", "length", "toString"]);

/** Layers and schedules keep their options as properties of the same names, which the docstring of the class explains. */
const KEEP_OPTIONS = /^(nn|optim\.lr)\./;

/** What has no docstring, by the name that users write: exported names, and members that are not overrides of documented ones. */
export function undocumented(reader: ApiReader): string[] {
  const missing: string[] = [];
  const visit = (entries: readonly Entry[], before: string): void => {
    for (const entry of entries) {
      if (entry.doc === "") missing.push(`${before}${entry.name} (${entry.file})`);
      const name = `${before}${entry.name}`;
      for (const member of KEEP_OPTIONS.test(name) ? [] : shownMembers(entry)) {
        if (member.doc === "" && !OVERRIDES.has(member.name)) missing.push(`${name}.${member.name} (${entry.file})`);
      }
      visit(entry.entries, `${before}${entry.name}.`);
    }
  };
  visit(reader.read("src/index.ts"), "");
  visit(reader.read("src/node.ts"), "");
  return missing;
}

function pagesOf(reader: ApiReader): Page[] {
  const all = reader.read("src/index.ts");
  const ops = new Set([...OPS].flatMap((path) => reader.read(path).map(({ name }) => name)));
  const shown = all.filter(({ kind, name }) => kind !== "module" && name !== "Tensor");
  const modules = all.filter(({ kind }) => kind === "module");
  return [
    page(
      "wgrad",
      "wgrad",
      shown.filter(({ name }) => !ops.has(name)),
    ),
    page(
      "ops",
      "Ops",
      shown.filter(({ name }) => ops.has(name)),
    ),
    ...modules.map(({ name, entries }) => page(name, `wgrad/${name}`, entries)),
    page("node", "wgrad/node", reader.read("src/node.ts")),
  ];
}

function page(name: string, title: string, entries: readonly Entry[]): Page {
  const intro = INTROS[name];
  if (intro === undefined) throw new Error(`docs: scripts/api-pages.ts has no introduction of the door ${name}`);
  return { file: `${name}.md`, title, intro, entries };
}

function pageText({ title, intro, entries }: Page): string {
  const plain = entries.filter(({ kind }) => kind !== "module");
  const lines = [`# ${title}`, "", "Generated by `npm run docs` from the source.", "", intro, ""];
  const sections = title === "wgrad" ? byTopic(plain) : byFile(plain);
  const anchors = anchorsOf(sections, entries);
  const modules = entries.filter(({ kind }) => kind === "module");
  for (const { heading, link, names } of sections) {
    lines.push(`- [${link}](#${slug(heading)}): ${list(names, anchors)}`);
  }
  for (const { name, entries: inner } of modules)
    lines.push(`- [${name}](#${slug(name)}): ${list(inner, anchors, `${name}.`)}`);
  for (const { heading, intro: about, names } of sections) {
    lines.push("", `## ${heading}`);
    if (about !== "") lines.push("", about);
    for (const entry of names) lines.push("", ...entryLines(entry, ""));
  }
  for (const { name, doc, entries: inner } of modules) {
    lines.push("", `## ${name}`, "", escaped(doc));
    for (const entry of inner) lines.push("", ...entryLines(entry, `${name}.`));
  }
  return `${lines.join("\n")}\n`;
}

interface Section {
  readonly heading: string;
  /** The heading as a list of contents names it. */
  readonly link: string;
  readonly intro: string;
  readonly names: readonly Entry[];
}

function byTopic(entries: readonly Entry[]): Section[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const sections = Object.entries(TOPICS).map(([heading, names]) => ({
    heading,
    link: heading,
    intro: "",
    names: names.map((name) => {
      const entry = byName.get(name);
      if (entry === undefined)
        throw new Error(`docs: TOPICS of scripts/api-pages.ts names ${name}, which is not exported`);
      byName.delete(name);
      return entry;
    }),
  }));
  return [...sections, { heading: REST, link: REST, intro: "", names: [...byName.values()] }];
}

function byFile(entries: readonly Entry[]): Section[] {
  const found = new Map<string, Entry[]>();
  for (const entry of entries) found.set(entry.file, [...(found.get(entry.file) ?? []), entry]);
  const sections = [...found].map(([file, names]) => ({
    heading: headingOf(file),
    link: titleOf(file),
    intro: `${introOf(file)} ([source](../../${file}))`,
    names,
  }));
  return sections.sort((a, b) => (a.heading < b.heading ? -1 : 1));
}

function list(entries: readonly Entry[], anchors: ReadonlyMap<string, string>, before = ""): string {
  return entries.map(({ name }) => `[${name}](#${anchors.get(before + name)})`).join(", ");
}

/** The anchors of a page's names: of two that differ in case alone, the second one has a number. */
function anchorsOf(sections: readonly Section[], entries: readonly Entry[]): Map<string, string> {
  const plain = sections.flatMap(({ names }) => names);
  const inner = entries.flatMap(({ name, entries: all }) => all.map((one) => `${name}.${one.name}`));
  const found = new Map<string, string>();
  const seen = new Map<string, number>();
  for (const name of [...plain.map((entry) => entry.name), ...inner]) {
    const count = seen.get(slug(name)) ?? 0;
    seen.set(slug(name), count + 1);
    found.set(name, count === 0 ? slug(name) : `${slug(name)}-${count}`);
  }
  return found;
}

function titleOf(file: string): string {
  const words = (file.split("/").at(-1) ?? "").replace(/\.ts$/, "").replaceAll("-", " ");
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** A section's heading; the file keeps its anchor apart from the anchors of names. */
function headingOf(file: string): string {
  return `${titleOf(file)} (${file.replace("src/", "")})`;
}

function introOf(file: string): string {
  return escaped(/^\/\/ (.*(?:\n\/\/ .*)*)/.exec(readFileSync(file, "utf8"))?.[1]?.replaceAll("\n// ", " ") ?? "");
}

/** GitHub's anchor of a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

function entryLines(entry: Entry, before: string): string[] {
  const constructors = entry.members.filter(({ kind }) => kind === "constructor");
  const news = constructors.map(({ signature }) => signature.replace("new (", `new ${entry.name}(`));
  const lines = [`### ${before}${entry.name}`, "", "```ts", ...[...entry.signatures, ...news].map(dedented), "```"];
  lines.push("", escaped(entry.doc));
  const members = shownMembers(entry);
  if (members.length > 0) lines.push("", ...members.map(memberLine));
  return lines;
}

/** Protected members are for classes that extend: they are shown of abstract ones. */
function shownMembers({ members, signatures }: Entry): Member[] {
  const extensible = members.some(({ isProtected }) => isProtected) && !(signatures[0] ?? "").includes(" extends ");
  return members.filter(
    ({ kind, isProtected, name, doc }) =>
      kind !== "constructor" && !name.startsWith("[") && (!isProtected || (extensible && doc !== "")),
  );
}

function memberLine({ signature, doc, isProtected }: Member): string {
  const text = doc === "" ? "" : `: ${escaped(doc).replaceAll(/\s+/g, " ")}`;
  return `- \`${isProtected ? "protected " : ""}${dedented(signature).replaceAll(/\s+/g, " ")}\`${text}`;
}

/** A function of a tensor as its method. */
function methodLine({ name, calls, doc }: Entry): string {
  const signatures = calls.map((call) => `\`${asMethod(name, call).replaceAll(/\s+/g, " ")}\``);
  return `- ${signatures.join(", ")}: ${escaped(doc).replaceAll(/\s+/g, " ")}`;
}

function dedented(text: string): string {
  const indents = text
    .split("\n")
    .slice(1)
    .map((line) => line.search(/\S|$/));
  const least = Math.min(...indents);
  return text
    .split("\n")
    .map((line, i) => (i === 0 ? line : line.slice(least)))
    .join("\n");
}

/** Prose that Markdown takes as it stands: what is not code must not begin emphasis or HTML. */
function escaped(text: string): string {
  const pieces = text.replaceAll(/^@throws /gm, "Throws: ").split(/(```[\s\S]*?```|`[^`]*`)/);
  return pieces
    .map((piece, i) => (i % 2 === 1 ? piece : piece.replaceAll("*", "\\*").replaceAll("<", "&lt;")))
    .join("");
}

function tensorPage(reader: ApiReader): string {
  const tensor = reader.read("src/graph/tensor.ts").find(({ name }) => name === "Tensor");
  if (tensor === undefined) throw new Error("docs: src/graph/tensor.ts has no Tensor");
  const lines = ["# Tensor", "", "Generated by `npm run docs` from the source.", "", INTROS.tensor ?? "", ""];
  lines.push(escaped(tensor.doc), "", "## Properties and memory", "", ...shownMembers(tensor).map(memberLine));
  const methods = (path: string): readonly Entry[] => reader.read(path).filter(({ kind }) => kind === "function");
  lines.push("", "## Reading and changing", "", ...methods("src/engine/core-functions.ts").map(methodLine));
  lines.push("", "## Ops", "");
  for (const { link, names } of byFile(methods("src/ops/methods.ts"))) {
    lines.push(`- ${link}: ${names.map(({ name }) => `[${name}](ops.md#${slug(name)})`).join(", ")}`);
  }
  return `${lines.join("\n")}\n`;
}

function indexPage(pages: readonly Page[], reader: ApiReader): string {
  const core = new Set(reader.read("src/core.ts").map(({ name }) => name));
  const missing = pages
    .filter(({ file }) => file === "wgrad.md" || file === "ops.md")
    .flatMap(({ entries }) => entries.filter(({ name }) => !core.has(name)).map(({ name }) => `\`${name}\``));
  const lines = [
    "# API reference",
    "",
    "Generated by `npm run docs` from the docstrings of the source. Editors show the same texts.",
    "",
    "| import | what is in it |",
    "|---|---|",
    `| \`"wgrad"\` | [everything](wgrad.md), with [ops](ops.md) as functions and as methods of [Tensor](tensor.md), and the modules below as \`nn\`, \`optim\`, … |`,
    `| \`"wgrad/core"\` | the same without the modules, without ${missing.join(", ")}, and with [ops](ops.md) as functions only: a bundler drops the ops that a page does not call |`,
    ...pages
      .filter(({ title }) => title.startsWith("wgrad/"))
      .map(({ file, title, intro }) => `| [\`"${title}"\`](${file}) | ${intro.split(". ")[0]?.split(": ")[0] ?? ""} |`),
  ];
  for (const { file, title, entries } of pages) {
    const plain = entries.filter(({ kind }) => kind !== "module");
    const anchors = anchorsOf(title === "wgrad" ? byTopic(plain) : byFile(plain), entries);
    const names = entries.flatMap(({ kind, name, entries: inner }) =>
      kind === "module" ? inner.map((one) => `${name}.${one.name}`) : [name],
    );
    lines.push("", `## ${title}`, "", names.map((name) => `[${name}](${file}#${anchors.get(name)})`).join(", "));
  }
  return `${lines.join("\n")}\n`;
}
