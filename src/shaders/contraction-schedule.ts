// Schedules of contractions: tiles, what is unrolled, and who loads what.

import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import {
  addIndex,
  constantIndex,
  delinearize,
  type Index,
  linearIndex,
  scaleIndex,
  substitute,
  variable,
} from "../graph/index-expression.ts";
import type { DeviceTraits } from "../graph/kernel-program.ts";
import { type Place, walkInline } from "../graph/program.ts";
import type { Contraction, Group } from "./group.ts";
import { LANE, lane } from "./index-writer.ts";
import type { Stored } from "./kernel.ts";
import type { ContractionSchedule } from "./tile.ts";

/** The contraction with that side as columns whose variable runs fastest in what is stored, so that stores are contiguous. */
export function orient(contraction: Contraction, stored: Stored): Contraction {
  const { value, coordinates } = stored;
  const linear = linearIndex(coordinates, stridesOf(value.shape));
  const fastest = linear.terms.find((t) => t.factor === 1)?.atom.key;
  if (!contraction.m.some((dim) => `o${dim}` === fastest)) return contraction;
  const { a, b, aConditions, bConditions, m, n, batch } = contraction;
  return { a: b, b: a, aConditions: bConditions, bConditions: aConditions, m: n, n: m, batch };
}

/** Where a factor reads stored values: their linear indices. */
function reads(factor: Place, isStored: (value: Value) => boolean): Index[] {
  const found: Index[] = [];
  walkInline([factor], ({ value, coordinates }) => {
    if (value.leaf === null && !isStored(value) && value.inputs.length > 0) return true;
    if (coordinates.length === value.shape.length) found.push(linearIndex(coordinates, stridesOf(value.shape)));
    return false;
  });
  return found;
}

/** How many of the factors are read contiguously along a summed axis. */
export function contiguous(factors: readonly Place[], axis: number, isStored: (value: Value) => boolean): number {
  const along = ({ terms }: Index) => terms.some((t) => t.factor === 1 && t.atom.key === `r${axis}`);
  return factors.filter((factor) => reads(factor, isStored).some(along)).length;
}

/** Whether four steps of the axis, outer (`o0`) or summed (`r0`), are one vec4 of a factor's, wherever they begin. */
function inVectors(factors: readonly Place[], axis: string, isStored: (value: Value) => boolean): boolean {
  const own = ({ atom }: Index["terms"][number]) => atom.key === axis;
  return factors.some((factor) =>
    reads(factor, isStored).some(
      ({ terms, constant }) =>
        constant % 4 === 0 && terms.some(own) && terms.every((t) => (own(t) ? t.factor === 1 : t.factor % 4 === 0)),
    ),
  );
}

/** Steps of a window that are worth writing out, at most. */
const mostTaps = 7;

/**
 * A summed axis along which columns see what their neighbours see one step later (the taps of a convolution), so that the steps written out
 * side by side load few elements: at most 5/8 as many as one by one. Null where there is none.
 */
function windowAxis(group: Group, { b, n }: Contraction, isStored: (value: Value) => boolean): number | null {
  const sizes = n.map((i) => group.outer[i] as number);
  const columns = delinearize(addIndex(scaleIndex(variable("column", Math.ceil(sizeOf(sizes) / 4)), 4), lane), sizes);
  const places = b.flatMap((factor) => reads(factor, isStored));
  const elements = (axis: number, taps: number): number => {
    const seen = new Set<string>();
    for (let tap = 0; tap < taps; tap++) {
      for (let l = 0; l < 4; l++) {
        const at = new Map([[`r${axis}`, constantIndex(tap)]]);
        n.forEach((dim, k) => {
          at.set(`o${dim}`, substitute(columns[k] as Index, new Map([[LANE, constantIndex(l)]])));
        });
        places.forEach((place, k) => {
          seen.add(`${k}:${substitute(place, at).key}`);
        });
      }
    }
    return seen.size / (4 * taps * places.length);
  };
  let best: number | null = null;
  let least = 0.625;
  group.inner.forEach((taps, axis) => {
    if (taps < 2 || taps > mostTaps || elements(axis, 1) < 1) return;
    const share = elements(axis, taps);
    if (share > least) return;
    least = share;
    best = axis;
  });
  return best;
}

/** The summed axis to unroll: one that both factors, or one of them, read contiguously, and that four divides. */
function unrolledAxis(group: Group, { a, b }: Contraction, isStored: (value: Value) => boolean): number {
  const score = (axis: number): number =>
    (group.inner[axis] as number) % 4 === 0 ? contiguous([...a, ...b], axis, isStored) : -1;
  let best = group.inner.length - 1;
  for (let axis = group.inner.length - 2; axis >= 0; axis--) if (score(axis) > score(best)) best = axis;
  return best;
}

export function contractionSchedule(
  group: Group,
  c: Contraction,
  isStored: (value: Value) => boolean,
  device: DeviceTraits,
): ContractionSchedule {
  const size = (dims: readonly number[]) => dims.reduce((p, i) => p * (group.outer[i] as number), 1);
  const [m, n, batch] = [size(c.m), size(c.n), size(c.batch)];
  let axis = unrolledAxis(group, c, isStored);
  const unroll = (group.inner[axis] as number) % 4 === 0 ? 4 : 1;
  if (device.kind === "software") {
    // A CPU's loads are gathers: each is worth sharing. One subgroup is one workgroup. Drivers take long to compile, and little is unrolled.
    const lanes = device.subgroupSize;
    if (lanes === 0)
      return { rows: Math.min(4, m), columns: 1, axis, unroll: 1, spread: false, chunk: 0, width: 8, height: 1 };
    // Columns that are read with a stride are read four steps at a time, where the work is worth the longer text.
    const long = batch * m * n * group.length >= 2 ** 26;
    let steps = long && inVectors(c.b, `r${axis}`, isStored) ? unroll : 1;
    const window = steps === 1 ? windowAxis(group, c, isStored) : null;
    if (window !== null) {
      axis = window;
      steps = group.inner[window] as number;
    }
    // Columns whose every element is a load of its own are worth more rows.
    const gathered = steps === 1 && !inVectors(c.b, `o${c.n.at(-1)}`, isStored);
    let shares = long && gathered ? 4 : 2;
    const tiles = () => Math.ceil(m / (lanes * shares)) * Math.ceil(n / (4 * lanes)) * batch;
    while (shares > 1 && (tiles() < 16 || lanes * shares >= 2 * m)) shares /= 2;
    const rows = Math.min(lanes * shares, m);
    return { rows, columns: 1, axis, unroll: steps, spread: true, chunk: 0, width: lanes, height: 1 };
  }
  // Larger tiles reuse more of what they load; smaller ones keep all of the device busy.
  let rows = Math.min(8, m);
  let columns = Math.min(2, Math.ceil(n / 4));
  const threads = () => Math.ceil(m / rows) * Math.ceil(n / (4 * columns)) * batch;
  if (threads() < 65_536) columns = 1;
  while (rows > 1 && threads() < 65_536) rows = Math.ceil(rows / 2);
  const across = Math.ceil(n / (4 * columns));
  const width = Math.min(8, 2 ** Math.ceil(Math.log2(across)));
  return { rows, columns, axis, unroll, spread: false, chunk: 0, width, height: 64 / width };
}

/** The schedules to choose from by measuring: tiles of other sizes, shared by a subgroup where its size is known, or through workgroup memory. */
export function contractionSchedules(
  standard: ContractionSchedule,
  group: Group,
  device: DeviceTraits,
): ContractionSchedule[] {
  const most = sizeOf(group.outer);
  const lanes = device.subgroupSize;
  const found: ContractionSchedule[] = [];
  for (const rows of [1, 2, 4, 8]) {
    for (const columns of [1, 2]) {
      if (rows * columns * 4 <= most)
        found.push({ ...standard, rows, columns, spread: false, chunk: 0, width: 8, height: 8 });
    }
  }
  // Workgroups of 64 load whole chunks without a rest.
  const chunk = [16, 8].find((steps) => (group.inner[standard.axis] as number) % steps === 0) ?? 0;
  for (const rows of chunk === 0 ? [] : [2, 4, 8]) {
    for (const columns of [1, 2]) {
      if (rows * columns * 256 <= most)
        found.push({ ...standard, rows, columns, unroll: 1, spread: false, chunk, width: 8, height: 8 });
    }
  }
  const unrolls = (group.inner[standard.axis] as number) % 4 === 0 ? [1, 4] : [1];
  for (const shares of lanes > 0 ? [1, 2, 4] : []) {
    const rows = lanes * shares;
    if (rows > 32 || rows * 4 > most) continue;
    for (const unroll of unrolls) {
      found.push({ ...standard, rows, columns: 1, unroll, spread: true, chunk: 0, width: lanes, height: 1 });
    }
  }
  return found;
}
