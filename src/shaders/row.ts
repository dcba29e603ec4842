// Row programs: sums (maxima, …) over the same axis with elementwise work before, between and after them.

import { stridesOf } from "../base/shape.ts";
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
import { modulo, over, sumOf, times } from "./arithmetic.ts";
import type { Group, Reduction } from "./group.ts";
import { lane } from "./index-writer.ts";
import { FLAT_GROUP, foldGrid, LOCAL, rounds, type Stored } from "./kernel.ts";
import { blockOf, type SumLimits } from "./long-sums.ts";
import { mostInRegisters, type RowSchedule, shuffles } from "./row-schedule.ts";
import { nameOfReduction, type Operand } from "./scopes.ts";
import { type Element, elementOf, literal, typeName, widen } from "./wgsl.ts";
import type { Writer } from "./writer.ts";

/** Sums of this length are one loop at most. */
const ORDINARY = 4096;

/** Terms of a longer sum that one accumulator takes: so many equal ones add up with a relative error of 8e-6 at most. */
const MOST_TERMS = 768;

/** Reductions in steps: those of a step depend only on earlier steps' results. */
function levels(group: Group, isRead: (value: Value) => boolean): Reduction[][] {
  const level = new Map<Value, number>();
  const steps: Reduction[][] = [];
  for (const r of group.reductions) {
    let at = 0;
    const seen = new Set<Value>();
    const open = [r.body];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (seen.has(value)) continue;
      seen.add(value);
      const own = level.get(value);
      if (own !== undefined) at = Math.max(at, own + 1);
      else if (value.leaf === null && !isRead(value)) open.push(...value.inputs);
    }
    level.set(r.value, at);
    steps[at] ??= [];
    (steps[at] as Reduction[]).push(r);
  }
  return steps;
}

/** Whether a kernel computes `target` on the way to `from`: what it reads from buffers, others have computed. */
function dependsOn(from: Value, target: Value, isRead: (value: Value) => boolean): boolean {
  const seen = new Set<Value>();
  const open = [from];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value === target) return true;
    if (seen.has(value) || value.leaf !== null || isRead(value)) continue;
    seen.add(value);
    open.push(...value.inputs);
  }
  return false;
}

/** What a reduction sums, kept in the buffer of an output until the output itself is written there. */
interface Kept {
  readonly reduction: Reduction;
  readonly output: Stored;
}

/** A sum that is made of blocks' sums. */
interface BlockSum {
  readonly name: string;
  /** The variable of one block's sum, and what it starts with. */
  readonly part: string;
  readonly start: string;
  /** Terms of a block. */
  readonly block: number;
}

/** Costs from which on an expression is rather written and read again than computed twice. */
const WORTH_KEEPING = 10;

/** Costly bodies of reductions that an output of the same elements is computed from: softmax's exponentials. */
function keptBodies(writer: Writer, group: Group, outputs: readonly Stored[]): Kept[] {
  const free = outputs.filter((o) => o.domain === "full" && o.value.dtype === "f32" && !writer.overwrites(o.value));
  return group.reductions.flatMap((reduction): Kept[] => {
    const { body, coordinates, conditions } = reduction;
    const { definition } = body;
    if (body.leaf !== null || definition.kind !== "elementwise" || definition.cost < WORTH_KEEPING) return [];
    if (body.dtype !== "f32" || conditions.length > 0 || outputs.some((o) => o.value === body)) return [];
    const element = linearIndex(coordinates, stridesOf(body.shape)).key;
    const at = free.findIndex(
      (o) =>
        linearIndex(o.coordinates, stridesOf(o.value.shape)).key === element &&
        dependsOn(o.value, body, (value) => writer.isRead(value)),
    );
    const output = free[at];
    if (output === undefined) return [];
    free.splice(at, 1);
    return [{ reduction, output }];
  });
}

/** Writes the kernel's body and returns its workgroups. */
export function writeRows(
  writer: Writer,
  group: Group,
  outputs: readonly Stored[],
  schedule: RowSchedule,
  device: DeviceTraits,
): { workgroups: [number, number, number]; workgroupSize: number } {
  const { workgroupSize } = schedule;
  return { workgroups: new RowWriter(writer, group, outputs, schedule, device).write(), workgroupSize };
}

/** A reduction under way: the variable that sums up, or two where blocks are summed first. */
interface Accumulator {
  readonly reduction: Reduction;
  readonly name: string;
  readonly element: Element;
  readonly width: 1 | 4;
  readonly start: string;
  readonly block: number | null;
  /** The variable that takes the elements. */
  readonly part: string;
}

type Values = ReadonlyMap<string, Index>;

class RowWriter {
  readonly #writer: Writer;
  readonly #group: Group;
  readonly #outputs: readonly Stored[];
  readonly #schedule: RowSchedule;
  readonly #device: DeviceTraits;
  readonly #rowsPerGroup: number;
  readonly #groups: number;
  /** Units (vec4 or elements) of a row. */
  readonly #units: number;
  /** A short part of a row is read once and stays in registers; a longer one is gone over in a loop, once for each step of reductions. */
  readonly #inRegisters: boolean;
  /** A subgroup that is the whole workgroup hands sums from lane to lane; others meet in workgroup memory. */
  readonly #subgroup: boolean;
  readonly #outerValues = new Map<string, Index>();
  /** What must hold where an invocation stores something. */
  readonly #inside: string | null;
  /** Units of a row that an invocation goes over, as a loop's bound. */
  #end = "";

  constructor(writer: Writer, group: Group, outputs: readonly Stored[], schedule: RowSchedule, device: DeviceTraits) {
    this.#writer = writer;
    this.#group = group;
    this.#outputs = outputs;
    this.#schedule = schedule;
    this.#device = device;
    const { rows, length } = group;
    const { vector, lanes, workgroupSize } = schedule;
    const rowUnits = vector === "column" ? rows / 4 : rows;
    this.#rowsPerGroup = workgroupSize / lanes;
    this.#groups = Math.ceil(rowUnits / this.#rowsPerGroup);
    this.#units = vector === "row" ? length / 4 : length;
    this.#inRegisters = this.#units > 0 && this.#units % lanes === 0 && this.#units / lanes <= mostInRegisters;
    this.#subgroup =
      lanes > 1 && lanes === workgroupSize && lanes === device.subgroupSize && group.reductions.every(shuffles);
    // Invocations past the end compute the last row again, so that barriers stay uniform; they store nothing.
    const exact = rowUnits % this.#rowsPerGroup === 0 && this.#groups <= device.maxWorkgroups;
    this.#inside = exact ? null : `row < ${rowUnits}`;
    this.#head(exact, rowUnits);
    const own = variable(exact ? "row" : "own", rowUnits);
    delinearize(vector === "column" ? addIndex(scaleIndex(own, 4), lane) : own, group.outer).forEach((c, i) => {
      this.#outerValues.set(`o${i}`, c);
    });
  }

  /** Which row, and which share of it, is the invocation's. */
  #head(exact: boolean, rowUnits: number): void {
    const writer = this.#writer;
    const { vector, lanes } = this.#schedule;
    const perGroup = this.#rowsPerGroup;
    // Neighbouring invocations take neighbours in memory: of the row, or of the column.
    const across = vector === "column";
    const slot = across ? modulo(LOCAL, perGroup) : over(LOCAL, lanes);
    writer.line(`let row = ${perGroup === 1 ? FLAT_GROUP : sumOf(times(FLAT_GROUP, perGroup), slot)};`);
    if (this.#subgroup) writer.enable("subgroups");
    if (lanes > 1) {
      const share = perGroup === 1 ? LOCAL : across ? over(LOCAL, perGroup) : modulo(LOCAL, lanes);
      writer.line(`let share = ${this.#subgroup ? "i32(lane)" : share};`);
      writer.declare("share");
    }
    if (!exact && rowUnits > 1) writer.line(`let own = min(row, ${Math.max(rowUnits - 1, 0)});`);
    writer.declare(exact ? "row" : "own");
  }

  write(): [number, number, number] {
    const known: Kept[] = [];
    const software = this.#device.kind === "software" && !this.#inRegisters;
    const kept = software ? keptBodies(this.#writer, this.#group, this.#outputs) : [];
    const rest = rounds(this.#units, this.#device);
    // What is kept lies in memory: invocations past the end must not look at the last row while its own ones write there.
    this.#end = kept.length > 0 && this.#inside !== null ? `select(0, ${rest}, ${this.#inside})` : rest;
    for (const step of levels(this.#group, (value) => this.#writer.isRead(value))) this.#reduce(step, kept, known);
    this.#storeFull(known);
    this.#storeOuter();
    return foldGrid(this.#groups, this.#device.maxWorkgroups);
  }

  /** The coordinates of a row's unit. */
  #valuesAt(unit: Index): Values {
    const flat = this.#schedule.vector === "row" ? addIndex(scaleIndex(unit, 4), lane) : unit;
    const values = new Map(this.#outerValues);
    delinearize(flat, this.#group.inner).forEach((c, i) => {
      values.set(`r${i}`, c);
    });
    return values;
  }

  /** Writes `body` for all units of an invocation's part of the row. */
  #overRow(body: (values: Values) => void, sums: readonly BlockSum[] = []): void {
    const writer = this.#writer;
    const { lanes } = this.#schedule;
    if (this.#inRegisters) {
      const own = lanes === 1 ? constantIndex(0) : variable("share", lanes);
      for (let i = 0; i < this.#units / lanes; i++) body(this.#valuesAt(addIndex(own, constantIndex(i * lanes))));
      return;
    }
    const first = lanes === 1 ? "0" : "share";
    const end = this.#end;
    const step = lanes === 1 ? "k++" : `k += ${lanes}`;
    const [sum] = sums;
    if (sum !== undefined) {
      writer.open();
      writer.line(`let end = min(block + ${sum.block * lanes}, ${end});`);
      for (const { part, start } of sums) writer.line(`var ${part} = ${start};`);
    }
    writer.open();
    writer.declare("k");
    body(this.#valuesAt(variable("k", this.#units)));
    writer.close(
      sum === undefined ? `for (var k = ${first}; k < ${end}; ${step})` : `for (var k = block; k < end; ${step})`,
    );
    if (sum === undefined) return;
    for (const { name, part } of sums) writer.line(`${name} += ${part};`);
    writer.close(`for (var block = ${first}; block < ${end}; block += ${sum.block * lanes})`);
  }

  /** Reads again what earlier steps have kept. */
  #recall(from: readonly Kept[], values: Values): void {
    for (const { reduction: r, output } of from) {
      const loaded = this.#writer.load(output.value, placed(output.coordinates, values));
      this.#writer.define(r.body, placed(r.coordinates, values), loaded);
    }
  }

  #accumulator(reduction: Reduction): Accumulator {
    const writer = this.#writer;
    const { vector, lanes } = this.#schedule;
    const { length } = this.#group;
    const { definition, value } = reduction;
    const element = elementOf(value.dtype);
    const width: 1 | 4 = vector === "scalar" ? 1 : 4;
    const start = widen(literal(definition.identity(value.dtype), element), 1, width, element);
    const name = writer.fresh(nameOfReduction(definition.name));
    writer.line(`var ${name} = ${start};`);
    const limits: SumLimits = { whole: length > ORDINARY ? MOST_TERMS : ORDINARY, part: MOST_TERMS };
    const block = this.#inRegisters ? null : blockOf(reduction, Math.ceil(this.#units / lanes), limits);
    return { reduction, name, element, width, start, block, part: block === null ? name : writer.fresh("part") };
  }

  /** Writes the reductions of one step; adds to `known` what is kept of them. */
  #reduce(step: readonly Reduction[], kept: readonly Kept[], known: Kept[]): void {
    const writer = this.#writer;
    const accumulators = step.map((reduction) => this.#accumulator(reduction));
    const earlier = [...known];
    const blocked = accumulators.flatMap(({ block, ...sum }): BlockSum[] =>
      block === null ? [] : [{ ...sum, block }],
    );
    this.#overRow((values) => {
      this.#recall(earlier, values);
      for (const accumulator of accumulators) {
        const { reduction: r, part, element, width, start } = accumulator;
        const operand = writer.value(r.body, placed(r.coordinates, values));
        const keep = kept.find(({ reduction }) => reduction === r);
        if (keep !== undefined) {
          const { value, coordinates } = keep.output;
          const linear = linearIndex(placed(coordinates, values), stridesOf(value.shape));
          writer.store(value, linear, operand, () => this.#inside);
          known.push(keep);
        }
        const condition = writer.condition(r.conditions.map((c) => ({ ...c, index: substitute(c.index, values) })));
        let code = widen(operand.code, operand.width, width, element);
        if (condition !== null) code = writer.name("masked", `select(${start}, ${code}, ${condition.code})`);
        const context = writer.context(r.definition.helpers ?? [], element, width);
        writer.line(`${part} = ${r.definition.combine(context, part, code)};`);
      }
    }, blocked);
    for (const accumulator of accumulators)
      writer.defineResult(accumulator.reduction.value, this.#meet(accumulator, this.#lanesTogether(accumulator)));
  }

  /** What the lanes of a vec4 along the row come to. */
  #lanesTogether({ reduction: { definition }, name, element, width }: Accumulator): Operand {
    const writer = this.#writer;
    if (this.#schedule.vector !== "row" || width === 1) return { code: name, width, depth: writer.depth };
    const scalar = writer.context(definition.helpers ?? [], element, 1);
    const low = writer.name("low", definition.combine(scalar, `${name}.x`, `${name}.y`));
    const high = writer.name("high", definition.combine(scalar, `${name}.z`, `${name}.w`));
    const code = writer.name(nameOfReduction(definition.name), definition.combine(scalar, low, high));
    return { code, width: 1, depth: writer.depth };
  }

  /** What the invocations of a row come to. */
  #meet({ reduction: { definition }, element }: Accumulator, own: Operand): Operand {
    const writer = this.#writer;
    const { vector, lanes, workgroupSize } = this.#schedule;
    const { width } = own;
    const context = writer.context(definition.helpers ?? [], element, width);
    if (this.#subgroup) {
      let { code } = own;
      for (let half = lanes / 2; half >= 1; half /= 2) {
        const other = writer.name("other", `subgroupShuffleXor(${code}, ${half}u)`);
        code = writer.name(nameOfReduction(definition.name), definition.combine(context, code, other));
      }
      return { ...own, code };
    }
    if (lanes === 1) return own;
    const scratch = `scratch${width === 4 ? "_vec4" : ""}_${element}`;
    writer.global(`var<workgroup> ${scratch}: array<${typeName(element, width)}, ${workgroupSize}>;`);
    const apart = times("half", vector === "column" ? this.#rowsPerGroup : 1);
    writer.line(`${scratch}[local] = ${own.code};`);
    writer.line("workgroupBarrier();");
    writer.open();
    writer.open();
    writer.line(`let mine = ${scratch}[local];`);
    writer.line(`let other = ${scratch}[${LOCAL} + ${apart}];`);
    writer.line(`${scratch}[local] = ${definition.combine(context, "mine", "other")};`);
    writer.close("if (share < half)");
    writer.line("workgroupBarrier();");
    writer.close(`for (var half = ${lanes / 2}; half > 0; half /= 2)`);
    const first = vector === "column" ? modulo(LOCAL, this.#rowsPerGroup) : `${LOCAL} - share`;
    const code = writer.fresh(nameOfReduction(definition.name));
    writer.line(`let ${code} = ${scratch}[${this.#rowsPerGroup === 1 ? "0" : first}];`);
    writer.line("workgroupBarrier();");
    return { ...own, code };
  }

  /** Writes what has an element for each of the row's. */
  #storeFull(known: readonly Kept[]): void {
    const full = this.#outputs.filter((o) => o.domain === "full");
    if (full.length === 0) return;
    this.#overRow((values) => {
      this.#recall(known, values);
      this.#store(full, values, this.#inside);
    });
  }

  /** Writes what has an element for the row. */
  #storeOuter(): void {
    const inside = this.#inside;
    const once = this.#schedule.lanes === 1 ? inside : inside === null ? "share == 0" : `(share == 0) & (${inside})`;
    this.#store(
      this.#outputs.filter((o) => o.domain === "outer"),
      this.#outerValues,
      once,
    );
  }

  /** All values before the first store: an output may overwrite what another reads. */
  #store(outputs: readonly Stored[], values: Values, guard: string | null): void {
    const writer = this.#writer;
    const results = outputs.map(({ value, coordinates }) => {
      const where = placed(coordinates, values);
      return { value, linear: linearIndex(where, stridesOf(value.shape)), operand: writer.value(value, where) };
    });
    for (const { value, linear, operand } of results) writer.store(value, linear, operand, () => guard);
  }
}

/** Coordinates in a group's variables, where these have such values. */
function placed(coordinates: readonly Index[], values: Values): Index[] {
  return coordinates.map((c) => substitute(c, values));
}
