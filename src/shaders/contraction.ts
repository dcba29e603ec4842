// Contractions: sums of products whose factors have free axes of their own (matmul, convolutions, all their gradients).

import { must } from "../base/errors.ts";
import { sizeOf, stridesOf } from "../base/shape.ts";
import type { Value } from "../graph/definition.ts";
import {
  addIndex,
  type Condition,
  constantIndex,
  delinearize,
  type Index,
  linearIndex,
  scaleIndex,
  substitute,
  variable,
  variablesOf,
} from "../graph/index-expression.ts";
import { type Place, walkInline } from "../graph/program.ts";
import type { Contraction, Group, Reduction } from "./group.ts";
import { rounds, type Stored } from "./kernel.ts";
import { blockOf, type SumLimits } from "./long-sums.ts";
import type { ContractionSchedule, TileTraits } from "./tile.ts";
import { LANE, lane, type Operand, type Writer } from "./writer.ts";

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
function contiguous(factors: readonly Place[], axis: number, isStored: (value: Value) => boolean): number {
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

/** Terms that an accumulator takes: blocks want as many registers again, so fewer sums have them than in rows. */
const SUM_LIMITS: SumLimits = { whole: 32_768, part: 2048 };

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
  device: TileTraits,
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
  device: TileTraits,
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

/** Writes the kernel's body and returns its workgroups. */
export function writeContraction(
  writer: Writer,
  group: Group,
  contraction: Contraction,
  outputs: readonly Stored[],
  schedule: ContractionSchedule,
  isStored: (value: Value) => boolean,
  device: TileTraits,
): { workgroups: [number, number, number]; workgroupSize: number } {
  const reduction = must(group.reductions[0], "not a contraction");
  const { rows, columns, axis, unroll, spread, chunk, width, height } = schedule;
  const sizes = (dims: readonly number[]) => dims.map((i) => group.outer[i] as number);
  const [m, n, batch] = [sizeOf(sizes(contraction.m)), sizeOf(sizes(contraction.n)), sizeOf(sizes(contraction.batch))];
  const tilesN = Math.ceil(n / (4 * columns));
  const tilesM = Math.ceil(m / rows);
  const groupsN = Math.ceil(tilesN / width);
  const groupsM = Math.ceil(tilesM / height);
  const groups = groupsN * groupsM * batch;
  const folded = Math.ceil(groups / Math.ceil(groups / device.maxWorkgroups));

  writer.line("let tile = i32(group_id.x + group_id.y * groups.x);");
  writer.line(`let column = (tile % ${groupsN}) * ${width} + i32(local) % ${width};`);
  writer.line(`let row = (tile / ${groupsN} % ${groupsM}) * ${height} + i32(local) / ${width};`);
  if (spread) {
    writer.enable("subgroups");
    writer.line(`let share = min(i32(lane), ${Math.min(rows, width) - 1});`);
    writer.declare("share");
  }
  writer.declare("column");
  writer.declare("row");
  writer.declare("tile");
  if (batch > 1) {
    writer.line(`let batch = min(tile / ${groupsN * groupsM}, ${batch - 1});`);
    writer.declare("batch");
  }
  // Tiles may stick out: their indices have the padded range, and stores are guarded.
  const rowIndex = variable("row", groupsM * height);
  const columnIndex = variable("column", groupsN * width);
  const batchAt = delinearize(variable("batch", batch), sizes(contraction.batch));
  const rowAt = (i: Index) => addIndex(scaleIndex(rowIndex, rows), i);
  const columnAt = (j: Index) => addIndex(addIndex(scaleIndex(columnIndex, 4 * columns), scaleIndex(j, 4)), lane);
  const assign = (values: Map<string, Index>, dims: readonly number[], at: readonly Index[]) => {
    dims.forEach((dim, k) => {
      values.set(`o${dim}`, at[k] as Index);
    });
  };
  const place = (row: Index | null, column: Index | null, inner: ReadonlyMap<string, Index>): Map<string, Index> => {
    const values = new Map(inner);
    assign(values, contraction.batch, batchAt);
    if (row !== null) assign(values, contraction.m, delinearize(row, sizes(contraction.m)));
    if (column !== null) assign(values, contraction.n, delinearize(column, sizes(contraction.n)));
    return values;
  };
  const valuesAt = (i: Index | null, j: Index | null, inner: ReadonlyMap<string, Index>): Map<string, Index> =>
    place(i === null ? null : rowAt(i), j === null ? null : columnAt(j), inner);

  const block = blockOf(reduction, group.length, SUM_LIMITS);
  const accumulator = (i: number, j: number) => `sum_${i}_${j}`;
  const accumulators = new Map<string, string>();
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) accumulators.set(accumulator(i, j), "vec4<f32>(0.0)");
  const sides = group.reductions.slice(1).map((r, k): Side => {
    const names = variablesOf(r.result);
    const along = contraction.m.some((dim) => names.has(`o${dim}`)) ? "rows" : "columns";
    const count = along === "columns" ? columns : spread ? Math.ceil(rows / width) : rows;
    const sums = Array.from({ length: count }, (_, i) => `side${k}_${i}`);
    for (const name of sums) accumulators.set(name, along === "rows" ? "0.0" : "vec4<f32>(0.0)");
    return { reduction: r, along, sums };
  });
  /** What an accumulator comes to in the end: where there are blocks, it has the sum of one of them only. */
  const total = (name: string) => (block === null ? name : `total_${name}`);
  for (const [name, start] of accumulators) writer.line(`var ${total(name)} = ${start};`);
  const [besideRows, besideColumns] = (["rows", "columns"] as const).map((a) => sides.filter((s) => s.along === a));

  const factor = (
    factors: readonly Place[],
    conditions: readonly Condition[],
    values: ReadonlyMap<string, Index>,
  ): Operand => {
    const operands = factors.map((f) =>
      writer.value(
        f.value,
        f.coordinates.map((c) => substitute(c, values)),
      ),
    );
    const product = operands.reduce((x, y) => multiply(writer, x, y));
    const condition = writer.condition(conditions.map((c) => ({ ...c, index: substitute(c.index, values) })));
    if (condition === null) return product;
    const wide = product.width === 4 || condition.width === 4;
    const [none, code] = wide
      ? ["vec4<f32>(0.0)", product.width === 4 ? product.code : `vec4<f32>(${product.code})`]
      : ["0.0", product.code];
    const name = writer.fresh("x");
    writer.line(`let ${name} = select(${none}, ${code}, ${condition.code});`);
    return { code: name, width: wide ? 4 : 1, depth: writer.depth };
  };

  // The unrolled axis is the innermost loop.
  const order = [...group.inner.keys()].filter((k) => k !== axis).concat(axis);
  const closings: (() => void)[] = [];
  const base = new Map<string, Index>();
  /** Terms of one round of the loop. */
  let below = group.length;
  let wanted = block;
  for (const k of order) {
    const size = group.inner[k] as number;
    const step = k !== axis ? 1 : chunk > 0 ? chunk : unroll;
    const count = rounds(size / step, device);
    below /= size / step;
    // The outermost loop whose rounds are no longer than a block goes over its rounds block by block.
    const split = wanted !== null && below <= wanted ? Math.ceil(wanted / below) : null;
    if (split !== null) {
      wanted = null;
      writer.open();
      writer.line(`let end = min(block + ${split}, ${count});`);
      for (const [name, start] of accumulators) writer.line(`var ${name} = ${start};`);
      closings.push(() => {
        for (const name of accumulators.keys()) writer.line(`${total(name)} += ${name};`);
        writer.close(`for (var block = 0; block < ${count}; block += ${split})`);
      });
    }
    writer.open();
    writer.declare(`k${k}`);
    const [first, end] = split === null ? ["0", count] : ["block", "end"];
    closings.push(() => writer.close(`for (var k${k} = ${first}; k${k} < ${end}; k${k}++)`));
    base.set(`r${k}`, scaleIndex(variable(`k${k}`, size / step), step));
  }
  const innerAt = (u: Index): Map<string, Index> => {
    const inner = new Map(base);
    inner.set(`r${axis}`, addIndex(inner.get(`r${axis}`) as Index, u));
    return inner;
  };
  const accumulate = (left: (i: number) => string, right: (j: number) => string): void => {
    for (let j = 0; j < columns; j++) {
      const b = right(j);
      for (const { sums } of besideColumns ?? []) writer.line(`${sums[j]} += ${b};`);
      for (let i = 0; i < rows; i++)
        writer.line(`${accumulator(i, j)} = fma(vec4<f32>(${left(i)}), ${b}, ${accumulator(i, j)});`);
    }
  };
  if (chunk > 0) {
    const tile = must(device.schedules?.throughWorkgroup, "a schedule without its book");
    tile(writer, {
      schedule,
      contraction,
      groups: [groupsM, groupsN],
      rounds: rounds(chunk, device),
      contiguous: (factors) => contiguous(factors, axis, isStored) > 0,
      load: (factors, conditions, row, column, step) => factor(factors, conditions, place(row, column, innerAt(step))),
      multiply: (left, right) => {
        for (const { sums } of besideRows ?? [])
          for (let i = 0; i < rows; i++) writer.line(`${sums[i]} += ${left(i)};`);
        accumulate(left, right);
      },
    });
  } else {
    writer.quads = unroll === 4;
    const left = leftRows(writer, schedule, besideRows ?? [], (i, u) =>
      factor(contraction.a, contraction.aConditions, valuesAt(i, null, innerAt(u))),
    );
    for (let u = 0; u < unroll; u++) {
      accumulate(
        (i) => left(i, u),
        (j) => {
          const values = valuesAt(null, constantIndex(j), innerAt(constantIndex(u)));
          const right = factor(contraction.b, contraction.bConditions, values);
          return right.width === 4 ? right.code : `vec4<f32>(${right.code})`;
        },
      );
    }
    writer.quads = false;
  }
  for (const close of closings.reverse()) close();

  // The epilogue is written once and loops over the tile: unrolled, it would be most of the shader.
  const results = Array.from({ length: rows * columns }, (_, k) =>
    total(accumulator(Math.floor(k / columns), k % columns)),
  );
  writer.line(`var results = array<vec4<f32>, ${rows * columns}>(${results.join(", ")});`);
  const heads = [`for (var i = 0; i < ${rounds(rows, device)}; i++)`, `for (var j = 0; j < ${columns}; j++)`];
  for (const name of ["i", "j"]) {
    writer.open();
    writer.declare(name);
  }
  const [i, j] = [variable("i", rows), variable("j", columns)];
  const values = valuesAt(i, j, new Map());
  const placed = (coordinates: readonly Index[]) => coordinates.map((c) => substitute(c, values));
  writer.line(`let result = results[${columns === 1 ? "i" : `i * ${columns} + j`}];`);
  writer.defineResult(reduction.value, { code: "result", width: 4, depth: writer.depth });
  const main = outputs.filter((o) => o.domain !== "side");
  const finished = main.map(({ value, coordinates }) => {
    const at = placed(coordinates);
    return { value, linear: linearIndex(at, stridesOf(value.shape)), operand: writer.value(value, at) };
  });
  const guards: string[] = [];
  if (groupsM * height * rows > m) guards.push(`row * ${rows} + i < ${m}`);
  if (folded * Math.ceil(groups / folded) > groups) guards.push(`tile < ${groups}`);
  const guard = (l: number): string | null => {
    const all = [...guards];
    if (groupsN * width * columns * 4 > n) all.push(`column * ${4 * columns} + j * 4 + ${n % 4 === 0 ? 0 : l} < ${n}`);
    return all.length === 0 ? null : all.map((part) => `(${part})`).join(" & ");
  };
  for (const { value, linear, operand } of finished) writer.store(value, linear, operand, guard);
  for (const head of heads.reverse()) writer.close(head);

  // What was summed beside the products is stored by the first tile of its row or column.
  const storeSide = (
    along: Side["along"],
    k: number,
    values: ReadonlyMap<string, Index>,
    guard: (l: number) => string,
  ) => {
    const at = (coordinates: readonly Index[]) => coordinates.map((c) => substitute(c, values));
    for (const { reduction: r, sums } of sides.filter((s) => s.along === along))
      writer.defineResult(r.value, {
        code: total(sums[k] as string),
        width: along === "rows" ? 1 : 4,
        depth: 0,
      });
    const dims = new Set((along === "rows" ? contraction.m : contraction.n).map((dim) => `o${dim}`));
    for (const { value, coordinates, domain } of outputs) {
      if (domain !== "side" || [...variablesOf(coordinates)].some((name) => !dims.has(name))) continue;
      const where = at(coordinates);
      writer.store(value, linearIndex(where, stridesOf(value.shape)), writer.value(value, where), guard);
    }
  };
  besideRows?.[0]?.sums.forEach((_, k) => {
    const i = spread ? addIndex(variable("share", Math.min(rows, width)), constantIndex(k * width)) : constantIndex(k);
    const first = spread
      ? `(tile % ${groupsN} == 0) & (i32(lane) < ${Math.min(rows - k * width, width)})`
      : "(column == 0)";
    const row = spread ? `row * ${rows} + i32(lane) + ${k * width}` : `row * ${rows} + ${k}`;
    storeSide("rows", k, valuesAt(i, null, new Map()), () => `${first} & (${row} < ${m}) & (tile < ${groups})`);
  });
  besideColumns?.[0]?.sums.forEach((_, k) => {
    const column = (l: number) => `column * ${4 * columns} + ${k * 4 + (n % 4 === 0 ? 0 : l)}`;
    const values = valuesAt(null, constantIndex(k), new Map());
    storeSide("columns", k, values, (l) => `(row == 0) & (${column(l)} < ${n}) & (tile < ${groups})`);
  });
  const y = Math.ceil(groups / device.maxWorkgroups);
  return { workgroups: [folded, y, 1], workgroupSize: width * height };
}

/** A sum of one factor alone: of a row's (column's) elements, in a variable per row (vec4 of columns). */
interface Side {
  readonly reduction: Reduction;
  readonly along: "rows" | "columns";
  readonly sums: readonly string[];
}

/** Code of the left factor's element in row i at unrolled step u; adds to the sums beside. */
function leftRows(
  writer: Writer,
  { rows, unroll, spread, width }: ContractionSchedule,
  beside: readonly Side[],
  load: (i: Index, u: Index) => Operand,
): (i: number, u: number) => string {
  if (!spread) {
    for (let i = 0; i < (beside.length > 0 ? rows : 0); i++)
      for (let u = 0; u < unroll; u++)
        for (const { sums } of beside) writer.line(`${sums[i]} += ${load(constantIndex(i), constantIndex(u)).code};`);
    return (i, u) => load(constantIndex(i), constantIndex(u)).code;
  }
  const names = new Map<string, string>();
  // Four steps at once: the lanes of a vec4 are steps of the sum here.
  const steps = unroll === 4 ? [lane] : Array.from({ length: unroll }, (_, u) => constantIndex(u));
  for (let first = 0; first < rows; first += width) {
    const share = addIndex(variable("share", Math.min(rows, width)), constantIndex(first));
    steps.forEach((step, u) => {
      const own = load(share, step);
      const sum = own.width === 4 ? `dot(${own.code}, vec4<f32>(1.0))` : own.code;
      for (const { sums } of beside) writer.line(`${sums[first / width]} += ${sum};`);
      for (let i = 0; i < width && first + i < rows; i++) {
        const name = writer.fresh("a");
        writer.line(`let ${name} = subgroupBroadcast(${own.code}, ${i}u);`);
        if (step !== lane) names.set(`${first + i},${u}`, name);
        else
          for (let l = 0; l < 4; l++) names.set(`${first + i},${l}`, own.width === 4 ? `${name}.${"xyzw"[l]}` : name);
      }
    });
  }
  return (i, u) => names.get(`${i},${u}`) as string;
}

function multiply(writer: Writer, a: Operand, b: Operand): Operand {
  const width = a.width === 4 || b.width === 4 ? 4 : 1;
  const name = writer.fresh("x");
  writer.line(`let ${name} = ${a.code} * ${b.code};`);
  return { code: name, width, depth: writer.depth };
}
