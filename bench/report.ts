// What the benchmark shows in the terminal and keeps as JSON.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import type { Ceilings } from "./ceilings.ts";
import { type EngineName, enginePackages, engineTitles } from "./engines/engine.ts";
import type { KernelTimes } from "./kernel-times.ts";
import type { Row, Target } from "./rows/row.ts";
import type { Measurement, Outcome, RowResult } from "./team.ts";

/** A row's results as they are kept. */
export interface RowReport {
  readonly name: string;
  readonly title: string;
  readonly flops: number | null;
  readonly target: Target | null;
  readonly verified: string;
  readonly engines: Readonly<Partial<Record<EngineName, Outcome>>>;
  /** The best peer's median divided by wgrad's; null without a peer. */
  readonly ratio: number | null;
  readonly bestPeer: EngineName | null;
  /** What was asked for and not reached; empty where all was. */
  readonly missed: readonly string[];
}

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  /** Processes that ran or wanted to in the minute before; 0 where the system doesn't count them. */
  readonly load: number;
  readonly platform: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function machine(): Machine {
  const version = (name: string): string => {
    // Not every package lets its manifest be imported.
    const text = readFileSync(join("node_modules", name, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  };
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    versions: {
      wgrad: manifest.version,
      "TensorFlow.js": version(enginePackages.tensorflow),
      "jax-js": version(enginePackages.jax),
      "webgpu (Dawn)": version("webgpu"),
    },
  };
}

export function reportOf({ row, verified, outcomes }: RowResult): RowReport {
  const { name, title, flops, target } = row;
  const peers = (["tensorflow", "jax"] as const).filter((engine) => measured(outcomes.get(engine)) !== null);
  const median = (engine: EngineName): number => measured(outcomes.get(engine))?.median ?? Number.POSITIVE_INFINITY;
  const [bestPeer = null] = peers.sort((a, b) => median(a) - median(b));
  const ours = measured(outcomes.get("wgrad"));
  const ratio = bestPeer === null || ours === null ? null : median(bestPeer) / ours.median;
  const missed = ours === null ? ["not measured"] : missedTargets(row, ours, ratio);
  return { name, title, flops, target, verified, engines: Object.fromEntries(outcomes), ratio, bestPeer, missed };
}

function missedTargets({ target }: Row, ours: Measurement, ratio: number | null): string[] {
  if (target === null) return [];
  const missed: string[] = [];
  if (ratio !== null && !(ratio >= target.ratio)) missed.push(`${digits(ratio)}× < ${target.ratio}×`);
  for (const count of ["dispatches", "submits"] as const) {
    const most = target[count];
    if (most !== undefined && !(ours[count] <= most)) missed.push(`${digits(ours[count])} ${count} > ${most}`);
  }
  if (target.firstMs !== undefined && !(ours.firstMs <= target.firstMs)) {
    missed.push(`first step ${(ours.firstMs / 1000).toFixed(1)} s > ${target.firstMs / 1000} s`);
  }
  return missed;
}

export function measured(outcome: Outcome | undefined): Measurement | null {
  return outcome !== undefined && "measurement" in outcome ? outcome.measurement : null;
}

const columns: readonly (readonly [title: string, cell: (m: Measurement, row: RowReport) => string])[] = [
  ["step ms", (m) => digits(m.median)],
  ["p90", (m) => digits(m.p90)],
  ["JS ms", (m) => digits(m.js)],
  ["first s", (m) => (m.firstMs / 1000).toFixed(2)],
  ["dispatches", (m) => digits(m.dispatches)],
  ["submits", (m) => digits(m.submits)],
  ["pipelines", (m) => String(m.pipelines)],
  ["peak MB", (m) => digits(m.peakBytes / 1e6)],
  ["GFLOP/s", (m, { flops }) => (flops === null ? "" : digits(flops / m.median / 1e6))],
];

/** A row as lines for the terminal: one per engine, then what was asked for. */
export function rowTable(report: RowReport): string {
  const lines = [["", ...columns.map(([title]) => title)]];
  const problems: string[] = [];
  for (const [engine, outcome] of Object.entries(report.engines)) {
    const title = engineTitles[engine as EngineName];
    if ("problem" in outcome) problems.push(`  ${title}: ${outcome.problem}`);
    else lines.push([title, ...columns.map(([, cell]) => cell(outcome.measurement, report))]);
  }
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length))) ?? [];
  const body = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
  return [
    `${report.title}   (${report.verified})`,
    ...body.map((line) => `  ${line}`),
    ...problems,
    `  ${verdict(report)}`,
  ].join("\n");
}

/** The ratio against the best peer, and whether that and the counts are what was asked for. */
export function verdict({ ratio, bestPeer, target, missed }: RowReport): string {
  const against = ratio === null || bestPeer === null ? "" : `${digits(ratio)}× of ${engineTitles[bestPeer]}`;
  if (target === null) return against;
  return missed.length === 0 ? `✓ ${against} (asked: ${target.ratio}×)` : `✗ ${against}: ${missed.join(", ")}`;
}

/** The device's ceilings in one line. */
export function ceilingsLine(c: Ceilings): string {
  return [
    ...c.copies.map(({ bytes, GBs }) => `copy of ${digits(bytes / 2 ** 20)} MiB ${digits(GBs)} GB/s`),
    `fma ${digits(c.fmaGFLOPs)} GFLOP/s`,
    `products ${digits(c.tileGFLOPs)} GFLOP/s`,
    `exp ${digits(c.expGs)} G/s`,
    `launch ${digits(c.launchMicroseconds)} µs`,
    `dispatch ${digits(c.dispatchMicroseconds)} µs`,
    `submit and wait ${digits(c.submitMicroseconds)} µs`,
    `readback of 4 bytes ${digits(c.readbackMicroseconds)} µs`,
  ].join(", ");
}

/** The kernels of a step with their share of its device time and the part of the device's ceiling that they reach; * marks those over 5 %. */
export function kernelTable({ kernels }: KernelTimes): string {
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const firstTotal = kernels.reduce((sum, { first }) => sum + (Number.isNaN(first) ? 0 : first), 0);
  const lines = [["", "µs", "share", "ceiling", "by", "GB/s", "GFLOP/s", "first ms", "kernel"]];
  for (const k of kernels) {
    const share = k.microseconds / total;
    lines.push([
      share > 0.05 ? "*" : "",
      k.microseconds.toFixed(0),
      `${(100 * share).toFixed(1)} %`,
      `${(100 * k.reached).toFixed(0)} %`,
      k.limit,
      digits(k.bytes / k.microseconds / 1e3),
      digits(k.flops / k.microseconds / 1e3),
      (k.first / 1e3).toFixed(1),
      `${k.name}  [${k.workgroups.join("×")}]`,
    ]);
  }
  lines.push(["", total.toFixed(0), "", "", "", "", "", (firstTotal / 1e3).toFixed(1), `all ${kernels.length}`]);
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length))) ?? [];
  return lines
    .map((line) => line.map((cell, i) => (i === 8 ? cell : cell.padStart(widths[i] ?? 0))).join("  "))
    .join("\n");
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (value === 0 || Number.isInteger(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}
