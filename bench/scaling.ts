// How a step's time grows with the batch and with the depth of a network: wgrad alone, all sizes in turns in one process.
import { init, realize, synchronize, type Tensor } from "wgrad";
import { quantile } from "./quantile.ts";
import { mlpRow } from "./rows/mlp.ts";

export interface ScalingPoint {
  readonly size: number;
  readonly ms: number;
  readonly dispatches: number;
}

/** Times over sizes, and the straight line through them: ms ≈ base + slope · size; `fit` is R². */
export interface ScalingCurve {
  readonly title: string;
  readonly unit: string;
  readonly points: readonly ScalingPoint[];
  readonly base: number;
  readonly slope: number;
  readonly fit: number;
}

const width = 256;
const batches = [64, 128, 256, 512, 1024];
const depths = [2, 4, 8, 16, 32];

/** Measures both curves in this process, which must have run nothing else. */
export async function measureScaling(rounds: number): Promise<ScalingCurve[]> {
  const device = await init();
  const layers = (depth: number): [number, number, ...number[]] => [
    width,
    width,
    ...Array.from({ length: depth - 2 }, () => width),
    16,
  ];
  const curves: ScalingCurve[] = [];
  for (const { title, unit, sizes, row } of [
    {
      title: `batch, 4 layers of ${width}`,
      unit: "examples",
      sizes: batches,
      row: (batch: number) => mlpRow(`batch-${batch}`, "", layers(4), batch, null),
    },
    {
      title: `depth, layers of ${width}, batch 64`,
      unit: "layers",
      sizes: depths,
      row: (depth: number) => mlpRow(`depth-${depth}`, "", layers(depth), 64, null),
    },
  ]) {
    const steps = sizes.map((size) => row(size).wgrad((step) => step).step);
    const times = steps.map((): number[] => []);
    const dispatches: number[] = [];
    for (const step of steps) {
      for (let i = 0; i < 4; i++) await take(step);
      const before = device.stats().dispatches;
      await take(step);
      dispatches.push(device.stats().dispatches - before);
    }
    for (let round = 0; round < rounds; round++) {
      for (const [i, step] of steps.entries()) {
        for (let k = 0; k < 3; k++) times[i]?.push(await take(step));
      }
    }
    const points = sizes.map((size, i) => ({
      size,
      ms: quantile(times[i] ?? [], 0.5),
      dispatches: dispatches[i] ?? 0,
    }));
    curves.push({ title, unit, points, ...line(points) });
  }
  device.destroy();
  return curves;
}

async function take(step: () => readonly Tensor[]): Promise<number> {
  const start = performance.now();
  const results = step();
  void realize(...results);
  await synchronize(0);
  for (const result of results) result.dispose();
  return performance.now() - start;
}

/** The least-squares line. */
function line(points: readonly ScalingPoint[]): { base: number; slope: number; fit: number } {
  const mean = (f: (p: ScalingPoint) => number): number => points.reduce((sum, p) => sum + f(p), 0) / points.length;
  const [x, y] = [mean((p) => p.size), mean((p) => p.ms)];
  const slope = mean((p) => (p.size - x) * (p.ms - y)) / mean((p) => (p.size - x) ** 2);
  const base = y - slope * x;
  const fit = 1 - mean((p) => (p.ms - base - slope * p.size) ** 2) / mean((p) => (p.ms - y) ** 2);
  return { base, slope, fit };
}
