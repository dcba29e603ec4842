// Row programs: sums (maxima, …) over the same axis with elementwise work before, between and after them.

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
import { walkInline } from "../graph/program.ts";
import type { Group, Reduction } from "./group.ts";
import { FLAT_GROUP, foldGrid, rounds, type Stored } from "./kernel.ts";
import { blockOf, type SumLimits } from "./long-sums.ts";
import { elementOf, literal } from "./wgsl.ts";
import { lane, type Operand, type Writer } from "./writer.ts";

/** How rows are spread over invocations. */
export interface RowSchedule {
  /** "row": a vec4 holds four neighbours of a row; "column": four neighbouring rows; "scalar": one element. */
  readonly vector: "row" | "column" | "scalar";
  /** Invocations that share a row. */
  readonly lanes: number;
  readonly workgroupSize: number;
}

/** Whether neighbouring elements of a row, or neighbouring rows, are neighbours in memory. */
function contiguity(group: Group, isStored: (value: Value) => boolean): "row" | "column" | "scalar" {
  const lastInner = [...group.inner.keys()].reverse().find((i) => (group.inner[i] as number) > 1);
  const lastOuter = [...group.outer.keys()].reverse().find((i) => (group.outer[i] as number) > 1);
  const votes = { row: 0, column: 0, scalar: 0 };
  const bodies = group.reductions.map(({ body, coordinates }) => ({ value: body, coordinates }));
  walkInline(bodies, ({ value, coordinates }) => {
    if (value.leaf?.kind !== "buffer" && !isStored(value)) return value.definition.kind !== "reduce";
    const linear = linearIndex(coordinates, stridesOf(value.shape));
    const factor = (name: string) =>
      linear.terms.find((t) => t.atom.kind === "variable" && t.atom.key === name)?.factor;
    if (factor(`r${lastInner}`) === 1) votes.row++;
    else if (factor(`o${lastOuter}`) === 1 && factor(`r${lastInner}`) !== undefined) votes.column++;
    return false;
  });
  if (votes.column > votes.row) return "column";
  return votes.row > 0 ? "row" : "scalar";
}

function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(n, 1)));
}

export function rowSchedule(group: Group, isStored: (value: Value) => boolean, device: DeviceTraits): RowSchedule {
  const { rows, length } = group;
  let vector = contiguity(group, isStored);
  if (vector === "row" && length % 4 !== 0) vector = "scalar";
  if (vector === "column" && rows % 4 !== 0) vector = "scalar";
  const perRow = vector === "row" ? length / 4 : length;
  const rowUnits = vector === "column" ? rows / 4 : rows;
  if (device.kind === "software") {
    // A subgroup along a long row reads side by side what lanes with a row each would gather.
    const { subgroupSize } = device;
    if (vector === "row" && subgroupSize > 1 && perRow >= 8 * subgroupSize && group.reductions.every(shuffles))
      return { vector, lanes: subgroupSize, workgroupSize: subgroupSize };
    const lanes = rowUnits >= 16 ? 1 : Math.min(64, powerOfTwo(perRow / 4));
    // Few rows go to all cores; of many short ones, a workgroup is better not done in no time.
    const alone = rowUnits < 256 ? 8 : perRow <= 16 && rowUnits >= 4096 ? 64 : 16;
    return { vector, lanes, workgroupSize: lanes === 1 ? alone : 64 };
  }
  const enough = 65_536;
  // Rows that are needed more than once stay in registers, where they fit.
  const again =
    vector !== "column" && (group.reductions.length > 1 || group.stored.some((v) => sizeOf(v.shape) > rows));
  const least = again && perRow <= 256 * mostInRegisters ? perRow / mostInRegisters : perRow / 64;
  const lanes = Math.max(1, Math.min(256, powerOfTwo(Math.min(perRow / 2, Math.max(enough / rowUnits, least)))));
  return { vector, lanes, workgroupSize: lanes > 1 && lanes === device.subgroupSize ? lanes : Math.max(64, lanes) };
}

/** The schedules to choose from by measuring: more or fewer invocations for a row, and for a workgroup. */
export function rowSchedules(standard: RowSchedule, { length }: Group): RowSchedule[] {
  const perRow = standard.vector === "row" ? length / 4 : length;
  return [1, 4, 8, 16, 32, 64, 128, 256]
    .filter((lanes) => lanes === 1 || lanes <= perRow)
    .flatMap((lanes) =>
      (lanes === 1 ? [8, 16, 64] : [...new Set([Math.max(8, lanes), Math.max(64, lanes)])]).map((workgroupSize) => ({
        ...standard,
        lanes,
        workgroupSize,
      })),
    );
}

/** Whether lanes of a subgroup can hand each other what the reduction sums up. */
function shuffles({ value }: Reduction): boolean {
  return value.dtype !== "bool" && value.dtype !== "f16";
}

/** Units of a row (vec4 or elements) that an invocation keeps in registers, at most. */
const mostInRegisters = 4;

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
  const { rows, length } = group;
  const { vector, lanes, workgroupSize } = schedule;
  const rowUnits = vector === "column" ? rows / 4 : rows;
  const rowsPerGroup = workgroupSize / lanes;
  const groups = Math.ceil(rowUnits / rowsPerGroup);

  // A subgroup that is the whole workgroup hands sums from lane to lane; others meet in workgroup memory.
  const subgroup =
    lanes > 1 && lanes === workgroupSize && lanes === device.subgroupSize && group.reductions.every(shuffles);
  if (subgroup) writer.enable("subgroups");
  // Neighbouring invocations take neighbours in memory: of the row, or of the column.
  const slot = vector === "column" ? `i32(local) % ${rowsPerGroup}` : `i32(local) / ${lanes}`;
  const share = subgroup ? "i32(lane)" : vector === "column" ? `i32(local) / ${rowsPerGroup}` : `i32(local) % ${lanes}`;
  const own = lanes === 1 ? "i32(local)" : slot;
  writer.line(`let row = ${rowsPerGroup === 1 ? FLAT_GROUP : `${FLAT_GROUP} * ${rowsPerGroup} + ${own}`};`);
  if (lanes > 1) {
    writer.line(`let share = ${share};`);
    writer.declare("share");
  }
  // Invocations past the end compute the last row again, so that barriers stay uniform; they store nothing.
  const clamped = rowUnits % rowsPerGroup === 0 && groups <= device.maxWorkgroups ? "row" : "own";
  if (clamped === "own") writer.line(`let own = min(row, ${Math.max(rowUnits - 1, 0)});`);
  writer.declare(clamped);
  const inside = clamped === "row" ? null : `row < ${rowUnits}`;
  const rowIndex = variable(clamped, rowUnits);
  const flatRow = vector === "column" ? addIndex(scaleIndex(rowIndex, 4), lane) : rowIndex;
  const outerValues = new Map<string, Index>();
  delinearize(flatRow, group.outer).forEach((c, i) => {
    outerValues.set(`o${i}`, c);
  });
  const units = vector === "row" ? length / 4 : length;
  const valuesAt = (unit: Index): ReadonlyMap<string, Index> => {
    const flat = vector === "row" ? addIndex(scaleIndex(unit, 4), lane) : unit;
    const values = new Map(outerValues);
    delinearize(flat, group.inner).forEach((c, i) => {
      values.set(`r${i}`, c);
    });
    return values;
  };
  const at = (coordinates: readonly Index[], values: ReadonlyMap<string, Index>) =>
    coordinates.map((c) => substitute(c, values));
  // A short part of a row is read once and stays in registers; a longer one is gone over in a loop, once for each step of reductions.
  const inRegisters = units > 0 && units % lanes === 0 && units / lanes <= mostInRegisters;
  const terms = Math.ceil(units / lanes);
  const limits: SumLimits = { whole: length > ORDINARY ? MOST_TERMS : ORDINARY, part: MOST_TERMS };
  const overRow = (body: (values: ReadonlyMap<string, Index>) => void, sums: readonly BlockSum[] = []) => {
    if (inRegisters) {
      const own = lanes === 1 ? constantIndex(0) : variable("share", lanes);
      for (let i = 0; i < units / lanes; i++) body(valuesAt(addIndex(own, constantIndex(i * lanes))));
      return;
    }
    const [first, step] = lanes === 1 ? ["0", "k++"] : ["share", `k += ${lanes}`];
    const [sum] = sums;
    if (sum !== undefined) {
      writer.open();
      writer.line(`let end = min(block + ${sum.block * lanes}, ${end});`);
      for (const { part, start } of sums) writer.line(`var ${part} = ${start};`);
    }
    writer.open();
    writer.declare("k");
    body(valuesAt(variable("k", units)));
    writer.close(
      sum === undefined ? `for (var k = ${first}; k < ${end}; ${step})` : `for (var k = block; k < end; ${step})`,
    );
    if (sum === undefined) return;
    for (const { name, part } of sums) writer.line(`${name} += ${part};`);
    writer.close(`for (var block = ${first}; block < ${end}; block += ${sum.block * lanes})`);
  };

  const steps = levels(group, (value) => writer.isRead(value));
  const kept = device.kind === "software" && !inRegisters ? keptBodies(writer, group, outputs) : [];
  // What is kept lies in memory: invocations past the end must not look at the last row while its own ones write there.
  const end =
    kept.length > 0 && inside !== null ? `select(0, ${rounds(units, device)}, ${inside})` : rounds(units, device);
  const recall = (from: readonly Kept[], values: ReadonlyMap<string, Index>) => {
    for (const { reduction: r, output } of from)
      writer.define(r.body, at(r.coordinates, values), writer.load(output.value, at(output.coordinates, values)));
  };
  const known: Kept[] = [];
  for (const step of steps) {
    const accumulators = step.map((r) => {
      const element = elementOf(r.value.dtype);
      const identity = r.definition.identity(r.value.dtype);
      const name = writer.fresh(r.definition.name);
      const width: 1 | 4 = vector === "scalar" ? 1 : 4;
      if (!Number.isFinite(identity)) writer.useSpecial();
      const one = literal(identity, element);
      const start = width === 4 ? `vec4<${element}>(${one})` : one;
      writer.line(`var ${name} = ${start};`);
      const block = inRegisters ? null : blockOf(r, terms, limits);
      return { r, name, element, width, start, block, part: block === null ? name : writer.fresh("part") };
    });
    const earlier = [...known];
    const blocked = accumulators.flatMap(({ block, ...sum }): BlockSum[] =>
      block === null ? [] : [{ ...sum, block }],
    );
    overRow((values) => {
      recall(earlier, values);
      for (const { r, part, element, width, start } of accumulators) {
        const coordinates = at(r.coordinates, values);
        const operand = writer.value(r.body, coordinates);
        const keep = kept.find(({ reduction }) => reduction === r);
        if (keep !== undefined) {
          const linear = linearIndex(at(keep.output.coordinates, values), stridesOf(keep.output.value.shape));
          writer.store(keep.output.value, linear, operand, () => inside);
          known.push(keep);
        }
        const condition = writer.condition(r.conditions.map((c) => ({ ...c, index: substitute(c.index, values) })));
        let code = operand.width === width ? operand.code : `vec4<${element}>(${operand.code})`;
        if (condition !== null) code = `select(${start}, ${code}, ${condition.code})`;
        const context = writer.context(r.definition.helpers ?? [], element, width);
        if (condition !== null) {
          const name2 = writer.fresh("x");
          writer.line(`let ${name2} = ${code};`);
          code = name2;
        }
        writer.line(`${part} = ${r.definition.combine(context, part, code)};`);
      }
    }, blocked);
    for (const { r, name, element, width } of accumulators) {
      let result: Operand = { code: name, width, depth: writer.depth };
      if (vector === "row" && width === 4) {
        const scalar = writer.context(r.definition.helpers ?? [], element, 1);
        const low = writer.fresh("x");
        writer.line(`let ${low} = ${r.definition.combine(scalar, `${name}.x`, `${name}.y`)};`);
        const high = writer.fresh("x");
        writer.line(`let ${high} = ${r.definition.combine(scalar, `${name}.z`, `${name}.w`)};`);
        const whole = writer.fresh(r.definition.name);
        writer.line(`let ${whole} = ${r.definition.combine(scalar, low, high)};`);
        result = { code: whole, width: 1, depth: writer.depth };
      }
      if (subgroup) {
        const context = writer.context(r.definition.helpers ?? [], element, result.width);
        for (let half = lanes / 2; half >= 1; half /= 2) {
          const sum = writer.fresh(r.definition.name);
          const other = writer.fresh("x");
          writer.line(`let ${other} = subgroupShuffleXor(${result.code}, ${half}u);`);
          writer.line(`let ${sum} = ${r.definition.combine(context, result.code, other)};`);
          result = { ...result, code: sum };
        }
      } else if (lanes > 1) {
        const type = result.width === 4 ? `vec4<${element}>` : element;
        const scratch = `scratch_${element}${result.width}`;
        writer.global(`var<workgroup> ${scratch}: array<${type}, ${workgroupSize}>;`);
        const stride = vector === "column" ? rowsPerGroup : 1;
        const context = writer.context(r.definition.helpers ?? [], element, result.width);
        writer.line(`${scratch}[local] = ${result.code};`);
        writer.line("workgroupBarrier();");
        writer.line(`for (var half = ${lanes / 2}; half > 0; half /= 2) {`);
        writer.line(
          `  if (share < half) { ${scratch}[local] = ${r.definition.combine(context, `${scratch}[local]`, `${scratch}[i32(local) + half * ${stride}]`)}; }`,
        );
        writer.line("  workgroupBarrier();");
        writer.line("}");
        const total = writer.fresh(r.definition.name);
        writer.line(
          `let ${total} = ${scratch}[${vector === "column" ? `i32(local) % ${rowsPerGroup}` : `(i32(local) / ${lanes}) * ${lanes}`}];`,
        );
        writer.line("workgroupBarrier();");
        result = { code: total, width: result.width, depth: writer.depth };
      }
      writer.defineResult(r.value, result);
    }
  }

  const full = outputs.filter((o) => o.domain === "full");
  if (full.length > 0) {
    overRow((values) => {
      recall(known, values);
      const results = full.map(({ value, coordinates }) => {
        const where = at(coordinates, values);
        return { value, linear: linearIndex(where, stridesOf(value.shape)), operand: writer.value(value, where) };
      });
      for (const { value, linear, operand } of results) writer.store(value, linear, operand, () => inside);
    });
  }
  const once = lanes > 1 ? (inside === null ? "share == 0" : `(share == 0) & (${inside})`) : inside;
  const results = outputs
    .filter((o) => o.domain === "outer")
    .map(({ value, coordinates }) => {
      const where = at(coordinates, outerValues);
      return { value, linear: linearIndex(where, stridesOf(value.shape)), operand: writer.value(value, where) };
    });
  for (const { value, linear, operand } of results) writer.store(value, linear, operand, () => once);
  return { workgroups: foldGrid(groups, device.maxWorkgroups), workgroupSize };
}
