// How long each kernel of a step takes on the device, and what part of the device's ceiling that is.
import { init, type KernelProfile, type ProfileReport, profile, synchronize, type Tensor } from "wgrad";
import { type Ceilings, copyRate, measureCeilings } from "./ceilings.ts";
import type { Row } from "./rows/row.ts";

export interface KernelTime extends Omit<KernelProfile, "wgsl" | "listing" | "bindings"> {
  /** Microseconds the first time, when many drivers compile. */
  readonly first: number;
  /** What would take longest if the device's ceilings were reached, and the part of that speed that is reached. */
  readonly limit: "memory" | "arithmetic" | "products" | "launch";
  readonly reached: number;
}

export interface KernelTimes {
  readonly ceilings: Ceilings;
  readonly kernels: readonly KernelTime[];
  /** Scratch memory of the step, and what it cannot be less than: the largest sum of simultaneously live bytes. */
  readonly workspaceBytes: number;
  readonly liveBytes: number;
}

/** Profiles `row` in a process that has run nothing else; null where the device has no timestamps. */
export async function kernelTimes(row: Row, runs: number): Promise<KernelTimes | null> {
  const device = await init();
  if (!device.gpu.features.has("timestamp-query")) return null;
  const { step } = row.wgrad((plain) => plain);
  let results: readonly Tensor[] = [];
  const once = (): readonly Tensor[] => {
    // As in the comparison: memory that is touched for the first time is slow.
    for (const result of results) result.dispose();
    results = step();
    return results;
  };
  const first = await profile(once);
  await profile(once, { runs: 3 });
  const reports: ProfileReport[] = [];
  for (let i = 0; i < runs; i++) reports.push(await profile(once));
  const report = reports.at(-1) as ProfileReport;
  await synchronize(0);
  const ceilings = await measureCeilings(device);
  device.destroy();
  return {
    ceilings,
    workspaceBytes: report.workspaceBytes,
    liveBytes: report.liveBytes,
    kernels: report.kernels.map(({ wgsl, listing: _, bindings: __, ...kernel }, i) => {
      const { bytes, flops } = kernel;
      // The shortest, as with the ceilings: what else the machine does is in all others.
      const microseconds = Math.min(...reports.map(({ kernels }) => kernels[i]?.microseconds ?? Number.NaN));
      // Bytes per microsecond are megabytes per second.
      const memory = bytes / 1e3 / copyRate(ceilings, bytes);
      // What contractions multiply must be loaded first.
      const products = kernel.family === "contraction";
      const arithmetic = flops / 1e3 / (products ? ceilings.tileGFLOPs : ceilings.fmaGFLOPs);
      const launch = ceilings.launchMicroseconds;
      const longest = Math.max(memory, arithmetic, launch);
      return {
        ...kernel,
        microseconds,
        first: first.kernels.find((k) => k.wgsl === wgsl)?.microseconds ?? Number.NaN,
        limit: longest === launch ? "launch" : longest === memory ? "memory" : products ? "products" : "arithmetic",
        reached: (launch + Math.max(memory, arithmetic)) / microseconds,
      };
    }),
  };
}
