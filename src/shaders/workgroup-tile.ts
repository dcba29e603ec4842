// Contractions through workgroup memory: a workgroup loads a chunk of both factors once for all its rows and columns.

import { internal } from "../errors.ts";
import { addIndex, delinearize, type Index, scaleIndex, variable } from "../graph/index-expression.ts";
import type { ContractionSchedule } from "./contraction.ts";
import type { Operand, Writer } from "./writer.ts";

/** What a workgroup multiplies together. */
export interface WorkgroupTile {
  readonly schedule: ContractionSchedule;
  /** Whether the left and the right factor are read contiguously along the summed axis. */
  readonly contiguous: readonly boolean[];
  /** Steps of a chunk, as a loop's bound. */
  readonly rounds: string;
  /** The left factor in row i of the workgroup's, at a step of the chunk; the right one in four columns. */
  readonly loadRow: (i: Index, step: Index) => Operand;
  readonly loadColumns: (j: Index, step: Index) => Operand;
  /** Adds the products of one step. */
  readonly multiply: (left: (i: number) => string, right: (j: number) => string) => void;
}

/** One chunk: all invocations load a part of both factors into the workgroup's memory, then each multiplies its own rows and columns. */
export function throughWorkgroup(writer: Writer, tile: WorkgroupTile): void {
  const { rows, columns, chunk, width, height } = tile.schedule;
  const threads = width * height;
  const load = (name: string, type: string, size: number, along: boolean, from: WorkgroupTile["loadRow"]): void => {
    const count = size * chunk;
    if (count % threads !== 0) throw internal("a workgroup loads its tile with a rest");
    writer.global(`var<workgroup> ${name}: array<${type}, ${count}>;`);
    writer.open();
    writer.line(`let slot = p * ${threads} + i32(local);`);
    writer.declare("slot");
    // Neighbouring invocations load neighbours.
    const slot = variable("slot", count);
    const [i, step] = along
      ? (delinearize(slot, [size, chunk]) as [Index, Index])
      : (delinearize(slot, [chunk, size]).reverse() as [Index, Index]);
    const operand = from(i, step);
    const code = type === "f32" || operand.width === 4 ? operand.code : `vec4<f32>(${operand.code})`;
    writer.line(`${name}[${writer.index(addIndex(scaleIndex(step, size), i))}] = ${code};`);
    writer.close(`for (var p = 0; p < ${count / threads}; p++)`);
  };
  const [alongRows = false, alongColumns = false] = tile.contiguous;
  load("tile_rows", "f32", height * rows, alongRows, tile.loadRow);
  load("tile_columns", "vec4<f32>", width * columns, alongColumns, tile.loadColumns);
  writer.line("workgroupBarrier();");
  writer.open();
  for (let i = 0; i < rows; i++)
    writer.line(`let a${i} = tile_rows[step * ${height * rows} + i32(local) / ${width} * ${rows} + ${i}];`);
  for (let j = 0; j < columns; j++)
    writer.line(`let b${j} = tile_columns[step * ${width * columns} + i32(local) % ${width} * ${columns} + ${j}];`);
  tile.multiply(
    (i) => `a${i}`,
    (j) => `b${j}`,
  );
  writer.close(`for (var step = 0; step < ${tile.rounds}; step++)`);
  writer.line("workgroupBarrier();");
}
