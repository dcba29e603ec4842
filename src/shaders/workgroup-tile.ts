// Contractions through workgroup memory: a workgroup loads a chunk of both factors once for all its rows and columns.

import { internal } from "../base/errors.ts";
import {
  addIndex,
  delinearize,
  type Index,
  quotientIndex,
  remainderIndex,
  scaleIndex,
  variable,
} from "../graph/index-expression.ts";
import { modulo, over, plus, times } from "./arithmetic.ts";
import { lane } from "./index-writer.ts";
import { LOCAL } from "./kernel.ts";
import type { Operand } from "./scopes.ts";
import type { WorkgroupTile } from "./tile.ts";
import type { Writer } from "./writer.ts";

/** One chunk: all invocations load a part of both factors into the workgroup's memory, then each multiplies its own rows and columns. */
export function throughWorkgroup(writer: Writer, tile: WorkgroupTile): void {
  const { rows, columns, chunk, width, height } = tile.schedule;
  const { a, aConditions, b, bConditions } = tile.contraction;
  const threads = width * height;
  const load = (name: string, type: string, size: number, along: boolean, from: (i: Index, step: Index) => Operand) => {
    const count = size * chunk;
    if (count % threads !== 0) throw internal("a workgroup loads its tile with a rest");
    writer.global(`var<workgroup> ${name}: array<${type}, ${count}>;`);
    writer.open();
    writer.line(`let slot = p * ${threads} + ${LOCAL};`);
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
  const [groupsM, groupsN] = tile.groups;
  // The last workgroups of a folded grid have no tile: what they compute is not stored.
  const number = variable("tile", 2 ** 31);
  const first = remainderIndex(number, groupsN);
  const top = remainderIndex(quotientIndex(number, groupsN), groupsM);
  load("tile_rows", "f32", height * rows, tile.contiguous(a), (i, step) =>
    tile.load(a, aConditions, addIndex(scaleIndex(top, height * rows), i), null, step),
  );
  load("tile_columns", "vec4<f32>", width * columns, tile.contiguous(b), (j, step) => {
    const column = addIndex(addIndex(scaleIndex(first, 4 * width * columns), scaleIndex(j, 4)), lane);
    return tile.load(b, bConditions, null, column, step);
  });
  writer.line("workgroupBarrier();");
  writer.open();
  for (let i = 0; i < rows; i++)
    writer.line(`let a${i} = tile_rows[step * ${height * rows} + ${plus(times(over(LOCAL, width), rows), i)}];`);
  for (let j = 0; j < columns; j++)
    writer.line(
      `let b${j} = tile_columns[step * ${width * columns} + ${plus(times(modulo(LOCAL, width), columns), j)}];`,
    );
  tile.multiply(
    (i) => `a${i}`,
    (j) => `b${j}`,
  );
  writer.close(`for (var step = 0; step < ${tile.rounds}; step++)`);
  writer.line("workgroupBarrier();");
}
