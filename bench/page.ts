// docs/performance.md: what has been measured, as a page with pictures.
import { mkdirSync, writeFileSync } from "node:fs";
import { drawComparison, drawScaling } from "./chart.ts";
import { type EngineName, engineNames, engineTitles } from "./engines/engine.ts";
import { ceilingsLine, digits, type Machine, measured, type RowReport } from "./report.ts";
import type { KernelResult, Results } from "./results.ts";

const folder = "docs/performance";

/** Writes the page and its pictures; returns the file's name. */
export function writePage(results: Results): string {
  mkdirSync(folder, { recursive: true });
  const parts = [
    "# Performance",
    "",
    "Written by `npm run bench -- --all --write`; measure on your own machine, as absolute times are those of the one named here.",
    ...(results.compare === undefined ? [] : comparison(results.compare)),
    ...(results.kernels === undefined ? [] : kernels(results.kernels)),
    ...(results.javascript === undefined ? [] : javascript(results.javascript)),
    ...(results.scaling === undefined ? [] : scaling(results.scaling)),
  ];
  const file = `${folder}.md`;
  writeFileSync(file, `${parts.join("\n")}\n`);
  return file;
}

function comparison({ machine, adapter, rows }: NonNullable<Results["compare"]>): string[] {
  writeFileSync(`${folder}/engines.png`, drawComparison(rows, "Time per step (shorter is better)"));
  const cell = ({ engines }: RowReport, engine: EngineName): string => {
    const m = measured(engines[engine]);
    return m === null ? "–" : `${digits(m.median)} (${digits(m.p90)})`;
  };
  const counts = ({ engines }: RowReport, engine: EngineName): string => {
    const m = measured(engines[engine]);
    return m === null ? "–" : `${digits(m.dispatches)}/${digits(m.submits)}`;
  };
  const first = ({ engines }: RowReport, engine: EngineName): string => {
    const m = measured(engines[engine]);
    return m === null ? "–" : (m.firstMs / 1000).toFixed(1);
  };
  const bytes = ({ engines }: RowReport, engine: EngineName): string => {
    const m = measured(engines[engine]);
    return m === null ? "–" : digits(m.peakBytes / 1e6);
  };
  const js = ({ engines }: RowReport, engine: EngineName): string => {
    const m = measured(engines[engine]);
    return m === null ? "–" : digits(m.js);
  };
  const peers = engineNames.filter((engine) => engine !== "wgrad-compiled");
  return [
    "",
    "## Beside other engines",
    "",
    `${adapter ?? "no adapter"}; ${about(machine)}.`,
    "",
    "![Time per step of all engines](performance/engines.png)",
    "",
    "Milliseconds per step: median and, in brackets, 90th percentile. *Ratio*: the best other engine's median divided by wgrad's (plain loop, " +
      "no tuning); *asked* is what this project asks of itself, ✓ or ✗ whether ratio, dispatches, submits and first step are all reached.",
    "",
    ...table(
      ["", ...engineNames.map((engine) => engineTitles[engine]), "ratio", "asked", ""],
      rows.map((row) => [
        row.title,
        ...engineNames.map((engine) => cell(row, engine)),
        row.ratio === null ? "–" : `${digits(row.ratio)}×`,
        row.target === null ? "" : `${row.target.ratio}×`,
        row.target === null ? "" : row.missed.length === 0 ? "✓" : `✗ ${row.missed.join(", ")}`,
      ]),
    ),
    "",
    "Dispatches/submits of a step, seconds from opening the device to the end of the first step (in a new process, without what a driver may have cached " +
      "on disk), and most megabytes of GPU buffers at a time:",
    "",
    ...table(
      [
        "",
        ...peers.map((engine) => `${engineTitles[engine]}: calls`),
        ...peers.map(() => "first, s"),
        ...peers.map(() => "peak, MB"),
      ],
      rows.map((row) => [
        row.title,
        ...peers.map((engine) => counts(row, engine)),
        ...peers.map((engine) => first(row, engine)),
        ...peers.map((engine) => bytes(row, engine)),
      ]),
    ),
    "",
    `The last columns are in the order ${peers.map((engine) => engineTitles[engine]).join(", ")}.`,
    "",
    "Milliseconds of JavaScript in a step (recording or replaying, submitting), median; where a software driver computes on the same cores, its threads are in it (*JavaScript alone*, below, is without):",
    "",
    ...table(
      ["", ...engineNames.map((engine) => engineTitles[engine])],
      rows.map((row) => [row.title, ...engineNames.map((engine) => js(row, engine))]),
    ),
    "",
    "### How to read this",
    "",
    "Every row is written once per engine (`bench/rows/`), with the same weights and data, in the style that the engine's users write: wgrad as a plain loop and through " +
      "`compile`, TensorFlow.js eagerly with its own optimizer and layouts, jax-js with the whole step inside `jit`. Each engine runs in a process of its own per row; before " +
      "anything is timed, losses of five steps (or entries of the results) must agree. Then the engines take turns of a few steps each, so that what else the machine does meets all. " +
      "A step ends when the device has finished all of it, or, where the row says readback, when JavaScript has the result. Dispatches, submits and bytes are counted by the same " +
      "wrappers around WebGPU for all engines. Ratios mean something on a noisy machine; milliseconds don't.",
    "",
    ...rows.map((row) => `* ${row.name}: ${row.verified}${problems(row)}.`),
  ];
}

function problems({ engines }: RowReport): string {
  return Object.entries(engines)
    .flatMap(([engine, outcome]) =>
      "problem" in outcome ? [`; ${engineTitles[engine as EngineName]}: ${outcome.problem}`] : [],
    )
    .join("");
}

function kernels({ machine, rows }: NonNullable<Results["kernels"]>): string[] {
  const [first] = rows;
  return [
    "",
    "## Kernels and the device's ceilings",
    "",
    `${about(machine)}.`,
    ...(first === undefined ? [] : ["", `Ceilings, measured beside the kernels: ${ceilingsLine(first.ceilings)}.`]),
    "",
    "A kernel's ceiling is the time that its bytes take at the rate of a copy of that size, or its arithmetic at the rate of fused multiplications and additions (for contractions *products*: the best of some hand-written register tiles that load what they multiply from a " +
      "cache), whichever is " +
      "longer, and what a launch takes. *Reached* is that time divided by the shortest measured one: above 100 % where caches help, less in a slow spell of a shared machine. All kernels over 5 % " +
      "of their step, with a letter where they reach less than 60 %:",
    "",
    ...Object.values(reasons).map(([letter, text]) => `* (${letter}) ${text}`),
    ...rows.flatMap(heavyKernels),
    "",
    "## Memory",
    "",
    "Scratch memory of a step's plan, beside the largest sum of bytes that are alive at the same time, which it cannot be less than:",
    "",
    ...table(
      ["", "plan, MB", "bound, MB", "over"],
      rows.map(({ title, workspaceBytes, liveBytes }) => [
        title,
        digits(workspaceBytes / 1e6),
        digits(liveBytes / 1e6),
        over(workspaceBytes, liveBytes),
      ]),
    ),
  ];
}

/** What holds kernels back that stay far below their ceiling: a letter and the explanation. */
const reasons = {
  contraction: [
    "a",
    "The ceiling is that of large tiles whose factors are read as vectors. Here each element that is loaded is multiplied few times (a layer's six channels), columns " +
      "don't fill the vectors (25 taps of 32), or a factor is read with a stride (A·Bᵀ).",
  ],
  row: [
    "b",
    "Each level of sums goes over the row again (softmax: three times). Only the first time does the row come from memory, but loads from a cache, and exponentials, " +
      "are time, too, and the memory's ceiling leaves them out. Windows (max-pooling) are read element by element.",
  ],
  functions: [
    "c",
    "Exponentials, tanh and erf count as some tens of operations, but are chains of selections, conversions and shifts that no fused multiplication does: compare the ceiling *exp*.",
  ],
  map: ["d", "Elements that lie apart in memory are gathered one by one, where a copy moves vectors."],
} as const;

function reasonOf({ family, limit }: KernelResult["kernels"][number]): string {
  if (family === "contraction") return reasons.contraction[0];
  if (limit === "arithmetic") return reasons.functions[0];
  return reasons[family === "row" ? "row" : "map"][0];
}

/** How much larger a plan's memory is than its bound. */
export function over(workspace: number, bound: number): string {
  return bound === 0 ? "–" : `${(100 * (workspace / bound - 1)).toFixed(1)} %`;
}

function heavyKernels({ title, kernels }: KernelResult): string[] {
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const heavy = kernels.filter(({ microseconds }) => microseconds > 0.05 * total);
  return [
    "",
    `**${title}**: ${kernels.length} kernels, ${digits(total / 1000)} ms`,
    "",
    ...table(
      ["kernel", "µs", "share", "limit", "reached"],
      heavy.map((k) => [
        `\`${k.name}\``,
        k.microseconds.toFixed(0),
        `${((100 * k.microseconds) / total).toFixed(0)} %`,
        k.limit,
        `${(100 * k.reached).toFixed(0)} %${k.reached < 0.6 ? ` (${reasonOf(k)})` : ""}`,
      ]),
    ),
  ];
}

function javascript({ machine, rows }: NonNullable<Results["javascript"]>): string[] {
  return [
    "",
    "## JavaScript alone",
    "",
    `${about(machine)}.`,
    "",
    "Milliseconds of JavaScript per step, median: recording or replaying, finding the plan, encoding and one submit to a queue that drops it, so that no driver computes meanwhile.",
    "",
    ...table(
      ["", "plain", "compiled"],
      rows.map(({ title, plain, compiled }) => [title, digits(plain), digits(compiled)]),
    ),
  ];
}

function scaling({ machine, curves }: NonNullable<Results["scaling"]>): string[] {
  curves.forEach((curve, i) => {
    writeFileSync(`${folder}/scaling-${i + 1}.png`, drawScaling(curve));
  });
  return [
    "",
    "## Growth",
    "",
    `${about(machine)}. Full training steps of fully connected networks.`,
    "",
    curves.map((curve, i) => `![Time over ${curve.title}](performance/scaling-${i + 1}.png)`).join(" "),
    ...curves.flatMap(({ title, unit, points, base, slope, fit }) => [
      "",
      `Over ${title}: ${digits(base)} ms + ${digits(slope)} ms per ${unit.replace(/s$/, "")}, R² ${fit.toFixed(3)}.`,
      "",
      ...table(
        [unit, ...points.map(({ size }) => String(size))],
        [
          ["ms", ...points.map(({ ms }) => digits(ms))],
          ["dispatches", ...points.map(({ dispatches }) => String(dispatches))],
        ],
      ),
    ]),
  ];
}

function about(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return `${machine.cpu}, ${machine.cores} cores (load ${machine.load.toFixed(1)} at the start), ${machine.platform}, Node ${machine.node}; ${versions.join(", ")}; ${machine.date.slice(0, 10)}`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "--:"))), ...body.map(line)];
}
