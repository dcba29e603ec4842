// The error of an old value that memory has no room for.

import { OutOfMemoryError, StaleTensorError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Node } from "../graph/node.ts";
import { leafOf, sharedBy } from "../graph/tensor.ts";
import type { Job } from "./engine.ts";

/** Returns the error of a job that reads an old value which memory has no room for, or the error as it was. */
export function explainJob(error: unknown, { captured: { buffers, nodes }, advances }: Job): unknown {
  const own = new Set(advances.map(({ before }) => before));
  const old = buffers.find(
    ({ storage, node }) => node !== null && storage.cell && storage.cell.storage !== storage && !own.has(storage),
  );
  const node = old?.node;
  if (!(error instanceof OutOfMemoryError) || !node) return error;
  const line = nodes.find(({ source, inputs }) => source !== null && inputs.includes(node))?.source;
  return staleError(error, node, line && `It is read by what was recorded at ${line}. `);
}

/** Returns the same for a value that is itself read, at a line of the program. */
export function explainRead(error: unknown, node: Node, line: string | null): unknown {
  return error instanceof OutOfMemoryError ? staleError(error, node, line && `It is read at ${line}. `) : error;
}

/** Makes the error of an old value. `reader` is a sentence about who reads it. */
function staleError(error: OutOfMemoryError, node: Node, reader?: string | null): StaleTensorError {
  const { shape, storage, offset } = node;
  const { cell = null, overwrittenAt = null } = storage ?? {};
  const shared = cell === null ? null : sharedBy(cell);
  const label = leafOf(node)?.label ?? shared?.tensors[shared.offsets.indexOf(offset)]?.label ?? cell?.label;
  return new StaleTensorError(
    `the old value of ${label ? `"${label}"` : "a tensor"} of shape ${formatShape(shape)} was overwritten by a step or an assignment` +
      `${overwrittenAt ? ` at ${overwrittenAt}` : ""}, and memoryLimit leaves no room for it: ${error.message} ` +
      `${reader ?? ""}Read it before the step, or set a higher memoryLimit.`,
    { shapes: [shape] },
  );
}
