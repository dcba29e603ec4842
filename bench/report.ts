// What the benchmark shows: the table, the kernels, and the machine that the numbers belong to.
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg } from "node:os";
import manifest from "../package.json" with { type: "json" };
import type { KernelTimes } from "./kernel-times.ts";
import type { Measurement } from "./measure.ts";

/** A row's results; `measurement` is null where it could not be verified or timed. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly flops: number;
  readonly verified: string | null;
  readonly problem: string | null;
  readonly measurement: Measurement | null;
  /** Null where they were not asked for, or the device has no timestamps. */
  readonly kernels: KernelTimes | null;
}

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  /** Processes that ran or wanted to in the minute before; 0 where the system doesn't count them. */
  readonly load: number;
  readonly platform: string;
  readonly node: string;
  readonly webgpu: string;
  readonly wgrad: string;
}

export function machine(): Machine {
  const webgpu = createRequire(import.meta.url)("webgpu/package.json") as { version: string };
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    webgpu: webgpu.version,
    wgrad: manifest.version,
  };
}

const columns: readonly (readonly [title: string, cell: (m: Measurement) => string])[] = [
  ["step ms", (m) => digits(m.plain.median)],
  ["p90", (m) => digits(m.plain.p90)],
  ["loop", (m) => digits(m.loopMs)],
  ["compiled", (m) => digits(m.compiled.median)],
  ["GFLOP/s", (m) => digits(m.gflops)],
  ["JS ms", (m) => digits(m.plain.js)],
  ["compiled", (m) => digits(m.compiled.js)],
  ["first ms", (m) => m.firstStepMs.toFixed(0)],
  ["dispatches", (m) => digits(m.dispatchesPerStep)],
  ["submits", (m) => digits(m.submitsPerStep)],
  ["pipelines", (m) => String(m.pipelines)],
];

export function table(results: readonly Result[]): string {
  const lines = [["", ...columns.map(([title]) => title)]];
  for (const { title, measurement } of results) {
    if (measurement !== null) lines.push([title, ...columns.map(([, cell]) => cell(measurement))]);
  }
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i + 1] ?? "").length)));
  const first = Math.max(...lines.map((line) => (line[0] ?? "").length));
  return lines
    .map(([name = "", ...cells]) => [name.padEnd(first), ...cells.map((cell, i) => cell.padStart(widths[i] ?? 0))])
    .map((cells) => cells.join("  "))
    .join("\n");
}

/** The kernels of a step with their share of its device time. */
export function kernelTable({ step, once }: KernelTimes): string {
  const total = step.reduce((sum, { ms }) => sum + ms, 0);
  const firstTotal = [...step.map(({ firstMs }) => firstMs), ...once.map(({ ms }) => ms)].reduce((a, b) => a + b, 0);
  const line = (ms: string, share: string, firstMs: number, name: string): string =>
    `${ms.padStart(10)}${share.padStart(6)}${firstMs.toFixed(1).padStart(10)}  ${name}`;
  return [
    `${"ms".padStart(10)}${"share".padStart(6)}${"first ms".padStart(10)}  kernel`,
    ...step.map(({ name, ms, firstMs, workgroups }) =>
      line(
        ms.toFixed(3),
        `${((100 * ms) / total).toFixed(0)}%`,
        firstMs,
        `${name}  ${workgroups.join("×")} workgroups`,
      ),
    ),
    ...once.map(({ name, ms }) => line("", "", ms, `${name}  (first step only)`)),
    line(total.toFixed(3), "", firstTotal, `all ${step.length}`),
  ].join("\n");
}

/** Three significant digits, without an exponent. */
function digits(value: number): string {
  if (value === 0 || Number.isInteger(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}
