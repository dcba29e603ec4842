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
import type { Place } from "../graph/program.ts";
import { modulo, over, plus, sumOf, times } from "./arithmetic.ts";
import { contiguous } from "./contraction-schedule.ts";
import type { Contraction, Group, Reduction } from "./group.ts";
import { lane } from "./index-writer.ts";
import { FLAT_GROUP, LOCAL, rounds, type Stored } from "./kernel.ts";
import { blockOf, type SumLimits } from "./long-sums.ts";
import type { Operand } from "./scopes.ts";
import type { ContractionSchedule, TileTraits } from "./tile.ts";
import { widen } from "./wgsl.ts";
import type { Writer } from "./writer.ts";

/** Terms that an accumulator takes: blocks want as many registers again, so fewer sums have them than in rows. */
const SUM_LIMITS: SumLimits = { whole: 32_768, part: 2048 };

type Values = ReadonlyMap<string, Index>;

/** A sum of one factor alone: of a row's (column's) elements, in a variable per row (vec4 of columns). */
interface Side {
  readonly reduction: Reduction;
  readonly along: "rows" | "columns";
  readonly sums: readonly string[];
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
  const { width, height } = schedule;
  const tile = new ContractionWriter(writer, group, contraction, outputs, schedule, isStored, device);
  return { workgroups: tile.write(), workgroupSize: width * height };
}

class ContractionWriter {
  readonly #writer: Writer;
  readonly #group: Group;
  readonly #contraction: Contraction;
  readonly #outputs: readonly Stored[];
  readonly #schedule: ContractionSchedule;
  readonly #isStored: (value: Value) => boolean;
  readonly #device: TileTraits;
  readonly #reduction: Reduction;
  /** Rows, columns and batches of the result. */
  readonly #m: number;
  readonly #n: number;
  readonly #batch: number;
  /** Workgroups along M and N, and all of them. */
  readonly #groupsM: number;
  readonly #groupsN: number;
  readonly #groups: number;
  /** Workgroups along the first dimension of the grid, and whether folding it makes more of them than there are tiles. */
  readonly #folded: number;
  readonly #tooMany: boolean;
  readonly #block: number | null;
  /** Variables that sum up, with what they start with. */
  readonly #accumulators = new Map<string, string>();
  /** Per row and column of the tile. */
  readonly #sums: readonly (readonly string[])[];
  /** What each accumulator comes to in the end: where there are blocks, it has the sum of one of them only. */
  readonly #totals = new Map<string, string>();
  readonly #sides: readonly Side[];
  /** The summed axes while loops go over them. */
  readonly #inner = new Map<string, Index>();

  constructor(
    writer: Writer,
    group: Group,
    contraction: Contraction,
    outputs: readonly Stored[],
    schedule: ContractionSchedule,
    isStored: (value: Value) => boolean,
    device: TileTraits,
  ) {
    this.#writer = writer;
    this.#group = group;
    this.#contraction = contraction;
    this.#outputs = outputs;
    this.#schedule = schedule;
    this.#isStored = isStored;
    this.#device = device;
    this.#reduction = must(group.reductions[0], "not a contraction");
    const { rows, columns, width, height } = schedule;
    const { m, n, batch } = contraction;
    [this.#m, this.#n, this.#batch] = [m, n, batch].map((dims) => sizeOf(this.#sizes(dims))) as [
      number,
      number,
      number,
    ];
    this.#groupsN = Math.ceil(Math.ceil(this.#n / (4 * columns)) / width);
    this.#groupsM = Math.ceil(Math.ceil(this.#m / rows) / height);
    this.#groups = this.#groupsN * this.#groupsM * this.#batch;
    this.#folded = Math.ceil(this.#groups / Math.ceil(this.#groups / device.maxWorkgroups));
    this.#tooMany = this.#folded * Math.ceil(this.#groups / this.#folded) > this.#groups;
    this.#block = blockOf(this.#reduction, group.length, SUM_LIMITS);
    const sum = (name: string, start: string): string => {
      const token = writer.fresh(name);
      this.#accumulators.set(token, start);
      this.#totals.set(token, this.#block === null ? token : writer.fresh(`total_${name}`));
      return token;
    };
    const one = rows * columns === 1;
    this.#sums = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) =>
        sum(one ? "sum" : columns === 1 ? `sum_${i}` : `sum_${i}_${j}`, "vec4<f32>(0.0)"),
      ),
    );
    this.#sides = group.reductions.slice(1).map((reduction): Side => {
      const names = variablesOf(reduction.result);
      const along = m.some((dim) => names.has(`o${dim}`)) ? "rows" : "columns";
      const count = along === "columns" ? columns : schedule.spread ? Math.ceil(rows / width) : rows;
      const [start, name] = along === "rows" ? ["0.0", "row_sum"] : ["vec4<f32>(0.0)", "column_sum"];
      return { reduction, along, sums: Array.from({ length: count }, () => sum(name, start)) };
    });
  }

  write(): [number, number, number] {
    this.#head();
    for (const [name, start] of this.#accumulators) this.#writer.line(`var ${this.#total(name)} = ${start};`);
    this.#loops();
    this.#epilogue();
    this.#storeSides();
    return [this.#folded, Math.ceil(this.#groups / this.#device.maxWorkgroups), 1];
  }

  #sizes(dims: readonly number[]): number[] {
    return dims.map((i) => this.#group.outer[i] as number);
  }

  #total(name: string): string {
    return this.#totals.get(name) as string;
  }

  /** Which tile is the invocation's. */
  #head(): void {
    const writer = this.#writer;
    const { rows, spread, width, height } = this.#schedule;
    writer.line(`let tile = ${FLAT_GROUP};`);
    // Workgroups go through the columns first, then the rows. What a folded grid has too many lies behind the last batch.
    const all = this.#batch === 1 && !this.#tooMany;
    const first = all && this.#groupsM === 1 ? "tile" : modulo("tile", this.#groupsN);
    const above = over("tile", this.#groupsN);
    const top = all && this.#groupsM > 1 ? above : modulo(above, this.#groupsM);
    const own = height === 1 ? [LOCAL, "0"] : [modulo(LOCAL, width), over(LOCAL, width)];
    const [column, row] = [
      [first, width, own[0]],
      [top, height, own[1]],
    ].map(([group, size, invocation]) =>
      sumOf(group === "0" ? "0" : times(group as string, size as number), invocation as string),
    );
    writer.line(`let column = ${column};`);
    writer.line(`let row = ${row};`);
    if (spread) {
      writer.enable("subgroups");
      writer.line(`let share = min(i32(lane), ${Math.min(rows, width) - 1});`);
      writer.declare("share");
    }
    for (const name of ["column", "row", "tile"]) writer.declare(name);
    if (this.#batch > 1) {
      writer.line(`let batch = min(${over("tile", this.#groupsN * this.#groupsM)}, ${this.#batch - 1});`);
      writer.declare("batch");
    }
  }

  /** The coordinates of a row and of four columns. Tiles may stick out: their indices have the padded range, and stores are guarded. */
  #place(row: Index | null, column: Index | null, inner: Values): Values {
    const { m, n, batch } = this.#contraction;
    const values = new Map(inner);
    const assign = (dims: readonly number[], index: Index) => {
      const at = delinearize(index, this.#sizes(dims));
      dims.forEach((dim, k) => {
        values.set(`o${dim}`, at[k] as Index);
      });
    };
    assign(batch, variable("batch", this.#batch));
    if (row !== null) assign(m, row);
    if (column !== null) assign(n, column);
    return values;
  }

  /** The same of row i and vec4 j of the invocation's own tile. */
  #valuesAt(i: Index | null, j: Index | null, inner: Values): Values {
    const { rows, columns, width, height } = this.#schedule;
    const row = variable("row", this.#groupsM * height);
    const column = variable("column", this.#groupsN * width);
    return this.#place(
      i === null ? null : addIndex(scaleIndex(row, rows), i),
      j === null ? null : addIndex(addIndex(scaleIndex(column, 4 * columns), scaleIndex(j, 4)), lane),
      inner,
    );
  }

  #innerAt(u: Index): Values {
    const { axis } = this.#schedule;
    const inner = new Map(this.#inner);
    inner.set(`r${axis}`, addIndex(inner.get(`r${axis}`) as Index, u));
    return inner;
  }

  /** The product of a side's factors. */
  #factor(factors: readonly Place[], conditions: readonly Condition[], values: Values): Operand {
    const writer = this.#writer;
    const operands = factors.map((f) => writer.value(f.value, placed(f.coordinates, values)));
    const product = operands.reduce((a, b) => ({
      code: writer.name("factor", `${a.code} * ${b.code}`),
      width: a.width === 4 || b.width === 4 ? 4 : 1,
      depth: writer.depth,
    }));
    const condition = writer.condition(conditions.map((c) => ({ ...c, index: substitute(c.index, values) })));
    if (condition === null) return product;
    const width = product.width === 4 || condition.width === 4 ? 4 : 1;
    const none = width === 4 ? "vec4<f32>(0.0)" : "0.0";
    const code = widen(product.code, product.width, width, "f32");
    const name = writer.name("masked", `select(${none}, ${code}, ${condition.code})`);
    return { code: name, width, depth: writer.depth };
  }

  /** Writes the loops over the summed axes around the products. */
  #loops(): void {
    const writer = this.#writer;
    const { axis, unroll, chunk } = this.#schedule;
    const { inner, length } = this.#group;
    const closings: (() => void)[] = [];
    /** Terms of one round of the loop. */
    let below = length;
    let wanted = this.#block;
    // The unrolled axis is the innermost loop.
    for (const k of [...inner.keys()].filter((other) => other !== axis).concat(axis)) {
      const size = inner[k] as number;
      const step = k !== axis ? 1 : chunk > 0 ? chunk : unroll;
      const count = rounds(size / step, this.#device);
      below /= size / step;
      // The outermost loop whose rounds are no longer than a block goes over its rounds block by block.
      const split = wanted !== null && below <= wanted ? Math.ceil(wanted / below) : null;
      if (split !== null) {
        wanted = null;
        writer.open();
        writer.line(`let end = min(block + ${split}, ${count});`);
        for (const [name, start] of this.#accumulators) writer.line(`var ${name} = ${start};`);
        closings.push(() => {
          for (const name of this.#accumulators.keys()) writer.line(`${this.#total(name)} += ${name};`);
          writer.close(`for (var block = 0; block < ${count}; block += ${split})`);
        });
      }
      const name = inner.length === 1 ? "k" : `k${k}`;
      this.#inner.set(`r${k}`, scaleIndex(variable(name, size / step), step));
      if (size === step && split === null) continue;
      writer.open();
      writer.declare(name);
      const [first, end] = split === null ? ["0", count] : ["block", "end"];
      closings.push(() => writer.close(`for (var ${name} = ${first}; ${name} < ${end}; ${name}++)`));
    }
    if (chunk > 0) this.#throughWorkgroup();
    else this.#products();
    for (const close of closings.reverse()) close();
  }

  #throughWorkgroup(): void {
    const { axis, chunk } = this.#schedule;
    const tile = must(this.#device.schedules?.throughWorkgroup, "a schedule without its book");
    tile(this.#writer, {
      schedule: this.#schedule,
      contraction: this.#contraction,
      groups: [this.#groupsM, this.#groupsN],
      rounds: rounds(chunk, this.#device),
      contiguous: (factors) => contiguous(factors, axis, this.#isStored) > 0,
      load: (factors, conditions, row, column, step) =>
        this.#factor(factors, conditions, this.#place(row, column, this.#innerAt(step))),
      multiply: (left, right) => {
        for (const { sums } of this.#beside("rows"))
          sums.forEach((sum, i) => {
            this.#writer.line(`${sum} += ${left(i)};`);
          });
        this.#accumulate(left, right);
      },
    });
  }

  /** Each invocation loads what it multiplies. */
  #products(): void {
    const { a, aConditions, b, bConditions } = this.#contraction;
    const { unroll } = this.#schedule;
    this.#writer.quads = unroll === 4;
    const left = this.#leftRows((i, u) => this.#factor(a, aConditions, this.#valuesAt(i, null, this.#innerAt(u))));
    for (let u = 0; u < unroll; u++) {
      this.#accumulate(
        (i) => left(i, u),
        (j) => {
          const values = this.#valuesAt(null, constantIndex(j), this.#innerAt(constantIndex(u)));
          const right = this.#factor(b, bConditions, values);
          return widen(right.code, right.width, 4, "f32");
        },
      );
    }
    this.#writer.quads = false;
  }

  #beside(along: Side["along"]): Side[] {
    return this.#sides.filter((side) => side.along === along);
  }

  #accumulate(left: (i: number) => string, right: (j: number) => string): void {
    const writer = this.#writer;
    const { rows, columns } = this.#schedule;
    for (let j = 0; j < columns; j++) {
      const b = right(j);
      for (const { sums } of this.#beside("columns")) writer.line(`${sums[j]} += ${b};`);
      for (let i = 0; i < rows; i++) {
        const sum = this.#sums[i]?.[j];
        writer.line(`${sum} = fma(vec4<f32>(${left(i)}), ${b}, ${sum});`);
      }
    }
  }

  /** Code of the left factor's element in row i at unrolled step u; adds to the sums beside. */
  #leftRows(load: (i: Index, u: Index) => Operand): (i: number, u: number) => string {
    const writer = this.#writer;
    const { rows, unroll, spread, width } = this.#schedule;
    const beside = this.#beside("rows");
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
          const name = writer.fresh(`a${first + i}`);
          writer.line(`let ${name} = subgroupBroadcast(${own.code}, ${i}u);`);
          if (step !== lane) names.set(`${first + i},${u}`, name);
          else
            for (let l = 0; l < 4; l++) names.set(`${first + i},${l}`, own.width === 4 ? `${name}.${"xyzw"[l]}` : name);
        }
      });
    }
    return (i, u) => names.get(`${i},${u}`) as string;
  }

  /** What is made of the sums: written once in loops over the tile, since unrolled it would be most of the shader. */
  #epilogue(): void {
    const writer = this.#writer;
    const { rows, columns } = this.#schedule;
    const all = this.#sums.flat().map((name) => this.#total(name));
    const [only] = all;
    const loops = [
      { name: "i", size: rows, head: `for (var i = 0; i < ${rounds(rows, this.#device)}; i++)` },
      { name: "j", size: columns, head: `for (var j = 0; j < ${columns}; j++)` },
    ].filter(({ size }) => size > 1);
    if (all.length > 1) writer.line(`var results = array<vec4<f32>, ${all.length}>(${all.join(", ")});`);
    for (const { name } of loops) {
      writer.open();
      writer.declare(name);
    }
    const at = rows === 1 ? "j" : columns === 1 ? "i" : `i * ${columns} + j`;
    if (all.length > 1) writer.line(`let result = results[${at}];`);
    const code = all.length > 1 ? "result" : (only as string);
    writer.defineResult(this.#reduction.value, { code, width: 4, depth: writer.depth });
    const values = this.#valuesAt(variable("i", rows), variable("j", columns), new Map());
    const finished = this.#outputs
      .filter((o) => o.domain !== "side")
      .map(({ value, coordinates }) => {
        const where = placed(coordinates, values);
        return { value, linear: linearIndex(where, stridesOf(value.shape)), operand: writer.value(value, where) };
      });
    const rowAt = sumOf(times("row", rows), rows > 1 ? "i" : "0");
    const columnAt = sumOf(times("column", 4 * columns), columns > 1 ? "j * 4" : "0");
    const guard = this.#guard(rowAt, columnAt);
    for (const { value, linear, operand } of finished) writer.store(value, linear, operand, guard);
    for (const { head } of loops.reverse()) writer.close(head);
  }

  /** What must hold of a row and, lane by lane, of columns that are stored: tiles may stick out. */
  #guard(row: string, column: string, also: readonly string[] = []): (l: number) => string | null {
    const { rows, columns, width, height } = this.#schedule;
    const [m, n] = [this.#m, this.#n];
    const guards = [...also];
    if (row !== "" && this.#groupsM * height * rows > m) guards.push(`${row} < ${m}`);
    if (this.#tooMany) guards.push(`tile < ${this.#groups}`);
    const sticksOut = column !== "" && this.#groupsN * width * columns * 4 > n;
    return (l) => {
      const all = sticksOut ? [...guards, `${plus(column, n % 4 === 0 ? 0 : l)} < ${n}`] : guards;
      return all.length > 1 ? all.map((part) => `(${part})`).join(" & ") : (all[0] ?? null);
    };
  }

  /** What was summed beside the products is stored by the first tile of its row or column. */
  #storeSides(): void {
    const { rows, columns, spread, width } = this.#schedule;
    this.#beside("rows")[0]?.sums.forEach((_, k) => {
      const count = Math.min(rows, width);
      const i = spread ? addIndex(variable("share", count), constantIndex(k * width)) : constantIndex(k);
      const first = spread
        ? [`${modulo("tile", this.#groupsN)} == 0`, `i32(lane) < ${Math.min(rows - k * width, width)}`]
        : ["column == 0"];
      const row = plus(sumOf(times("row", rows), spread ? "i32(lane)" : "0"), spread ? k * width : k);
      this.#storeSide("rows", k, this.#valuesAt(i, null, new Map()), this.#guard(row, "", first));
    });
    this.#beside("columns")[0]?.sums.forEach((_, k) => {
      const column = plus(times("column", 4 * columns), k * 4);
      const values = this.#valuesAt(null, constantIndex(k), new Map());
      this.#storeSide("columns", k, values, this.#guard("", column, ["row == 0"]));
    });
  }

  #storeSide(along: Side["along"], k: number, values: Values, guard: (l: number) => string | null): void {
    const writer = this.#writer;
    for (const { reduction, sums } of this.#beside(along)) {
      const code = this.#total(sums[k] as string);
      writer.defineResult(reduction.value, { code, width: along === "rows" ? 1 : 4, depth: 0 });
    }
    const { m, n } = this.#contraction;
    const dims = new Set((along === "rows" ? m : n).map((dim) => `o${dim}`));
    for (const { value, coordinates, domain } of this.#outputs) {
      if (domain !== "side" || [...variablesOf(coordinates)].some((name) => !dims.has(name))) continue;
      const where = placed(coordinates, values);
      writer.store(value, linearIndex(where, stridesOf(value.shape)), writer.value(value, where), guard);
    }
  }
}

/** Coordinates in a group's variables, where these have such values. */
function placed(coordinates: readonly Index[], values: Values): Index[] {
  return coordinates.map((c) => substitute(c, values));
}
